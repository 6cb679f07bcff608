import type { HostId } from "../core/ids.ts";
import { type Expressions, type NamesRead, openExpressions, type Subject, trivial } from "../states/expression.ts";
import type { OpTarget } from "../trust/payloads.ts";
import { accept, refuse, type Verdict } from "../trust/verdict.ts";
import { opTraits } from "./catalogue.ts";

/**
 * Whom an op means. Each box decides for itself, on the labels an operator signed and on its own facts; the hub resolves the same
 * text on its index only to know who should answer. An expression that cannot be decided on a host does not mean that host.
 *
 * A list of host ids, which is how `--limit` and `--from-file` are signed, is read without the expression library: it is by far
 * the most common, and an idle agent shall not load what it does not need. In CEL it says the same.
 */
export const OP_TARGET_CHARS_MAX = 64 * 1_024;
export const OP_TARGET_HOSTS_MAX = 2_900;

/** Room for a list of hosts beside what a person writes. */
export const openTargets = (): Promise<Expressions> => openExpressions({ charsMax: OP_TARGET_CHARS_MAX, nodesMax: 3_500, listMax: 3_000, keptMax: 8 });

export type Aim =
  | { readonly is: "meant" }
  | { readonly is: "not-meant"; readonly because: string }
  /** Ask again with `openTargets()`. */
  | { readonly is: "undecided" };

export function judgeTarget(target: OpTarget, subject: Subject, expressions: Pick<Expressions, "evaluate"> | undefined): Aim {
  if ("host_id" in target) return target.host_id === subject.host.id ? MEANT : { is: "not-meant", because: `it is aimed at ${target.host_id}` };
  const list = hostList(target.expr);
  if (list !== undefined) return list.has(subject.host.id) ? MEANT : { is: "not-meant", because: `it is aimed at ${list.size} other hosts` };
  const judged = trivial(target.expr) ?? expressions?.evaluate(target.expr, "host", subject);
  if (judged === undefined) return { is: "undecided" };
  if (!judged.ok) return { is: "not-meant", because: judged.message.slice(0, 300) };
  return judged.value ? MEANT : { is: "not-meant", because: "its expression is false here" };
}

const MEANT = { is: "meant" } as const;

/** Before signing: the expression as the boxes will read it, and what it asks about. `op_target_mismatch` when none could take it. */
export function checkTarget(target: OpTarget, expressions: Expressions): Verdict<NamesRead> {
  if ("host_id" in target) return accept({ labels: [], facts: [], host: ["id"] });
  if (hostList(target.expr) !== undefined) return accept({ labels: [], facts: [], host: ["id"] });
  const judged = expressions.check(target.expr, "host");
  if (!judged.ok) return refuse("op_target_mismatch", `${judged.message}${judged.remedy === undefined ? "" : ` – ${judged.remedy}`}`);
  return accept(expressions.namesRead(target.expr, "host"));
}

/** Guest kinds take a target with a guest, and no other kind does. */
export function checkAim(kind: string, target: OpTarget): Verdict<OpTarget> {
  const traits = opTraits(kind);
  if (traits === undefined) return refuse("op_kind_unknown", kind);
  const aims = "guest_id" in target ? "guest" : "host";
  return traits.aims === aims ? accept(target) : refuse("op_params", `${kind} is aimed at a ${traits.aims}, this target is a ${aims}`);
}

/** Exactly these hosts. One is a plain id; more are an expression that says nothing else. At most `OP_TARGET_HOSTS_MAX`. */
export function hostsTarget(hosts: readonly HostId[]): Verdict<OpTarget> {
  const sorted = [...new Set(hosts)].sort();
  const [first, second] = sorted;
  if (first === undefined) return refuse("op_target_mismatch", "no host is left to aim at");
  if (second === undefined) return accept({ host_id: first });
  if (sorted.length > OP_TARGET_HOSTS_MAX)
    return refuse("op_target_mismatch", `a list of hosts holds at most ${OP_TARGET_HOSTS_MAX}, this one has ${sorted.length}; aim by label, or in parts`);
  return accept({ expr: listText(sorted) });
}

/** The same expression, but for these hosts. */
export function exceptTarget(expr: string, hosts: readonly HostId[]): Verdict<OpTarget> {
  const sorted = [...new Set(hosts)].sort();
  if (sorted.length === 0) return accept({ expr });
  const text = `(${expr}) && !(${listText(sorted)})`;
  return text.length <= OP_TARGET_CHARS_MAX && sorted.length <= OP_TARGET_HOSTS_MAX
    ? accept({ expr: text })
    : refuse("op_target_mismatch", `the expression has ${text.length} characters, at most ${OP_TARGET_CHARS_MAX} are taken`);
}

const listText = (ids: readonly string[]): string => `host.id in [${ids.map((id) => `"${id}"`).join(", ")}]`;

const LIST = /^host\.id in \[("h-[a-z2-7]{16}"(?:, "h-[a-z2-7]{16}"){0,2999})\]$/;

/** The ids of a target in exactly the form of `hostsTarget`; `undefined` for anything else. */
export function hostList(expr: string): ReadonlySet<string> | undefined {
  const inner = LIST.exec(expr)?.[1];
  if (inner === undefined) return undefined;
  return new Set(inner.slice(1, -1).split(`", "`));
}
