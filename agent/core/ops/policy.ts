/**
 * `/etc/felhom/policy.yaml`: what the owner of a box allows of what the fleet's operators may ask. It can only tighten. There is no
 * key in it that gives anybody anything, and a value that would be looser than the compiled table is refused with the whole file.
 * A file that is there and can't be read as a policy refuses every op: nobody knows what it was to forbid. Enforcing goes on.
 */
import * as z from "zod/mini";
import { isOpKind, OP_KIND_NAMES, opTraits } from "../../../shared/ops/catalogue.ts";
import { OP_CLASSES, type OpClass, ROLE_OF_CLASS } from "../../../shared/ops/op-kind.ts";
import { type Window, window } from "../../../shared/protocol/spec.ts";
import { issuesOf } from "../../../shared/states/schema-issues.ts";
import { parseYaml } from "../../../shared/states/yaml/parse-yaml.ts";
import type { VerifiedOp } from "../../../shared/trust/op.ts";
import { OP_LIFETIME_MS_MAX, type RootPayload } from "../../../shared/trust/payloads.ts";
import { accept, refuse, type Verdict } from "../../../shared/trust/verdict.ts";
import { isInWindow, type LocalTime } from "../desired/spec.ts";

export const POLICY_PATH = "/etc/felhom/policy.yaml";
export const POLICY_BYTES_MAX = 64 * 1_024;

const perClass = <T extends z.ZodMiniType>(value: T) =>
  z.optional(z.strictObject({ read: z.optional(value), change: z.optional(value), destroy: z.optional(value) }));
const pattern = z.string().check(z.regex(/^[a-z]+(?:\.[a-z]+(?:-[a-z]+)*)?$|^[a-z]+\.\*$/), z.maxLength(64));

const policyFile = z.strictObject({
  version: z.literal(1),
  /** Kinds that are refused: `host.shutdown`, `guest.*`. */
  deny: z.optional(z.array(pattern).check(z.maxLength(64))),
  /** Kinds that need the signatures of a stricter class here. */
  raise: z.optional(z.record(pattern, z.enum(OP_CLASSES)).check(z.refine((map) => Object.keys(map).length <= 64, { message: "has more than 64 kinds" }))),
  /** At least so many signers; the root's threshold holds besides. */
  signers: perClass(z.int().check(z.minimum(1), z.maximum(16))),
  /** Only within these, by the box's own clock and zone. */
  windows: perClass(z.array(window).check(z.minLength(1), z.maxLength(32))),
  /** Ops that live longer are refused. */
  lifetimeSeconds: z.optional(z.int().check(z.minimum(60))),
  /** Also `ping`, `facts.get` and `plan.show` need a signature. */
  signedReads: z.optional(z.boolean()),
});

type PerClass<T> = { readonly [C in OpClass]?: T | undefined };

export interface Policy {
  readonly deny: readonly string[];
  readonly raise: readonly (readonly [pattern: string, to: OpClass])[];
  readonly signers: PerClass<number>;
  readonly windows: PerClass<readonly Window[]>;
  readonly lifetimeMsMax: number;
  readonly signedReads: boolean;
}

/** Where there is no file. */
export const OPEN_POLICY: Policy = { deny: [], raise: [], signers: {}, windows: {}, lifetimeMsMax: OP_LIFETIME_MS_MAX, signedReads: false };

export type LocalPolicy = { readonly is: "sound"; readonly policy: Policy } | { readonly is: "damaged"; readonly because: string };

/** `text` is the file, or `undefined` when there is none. What could not be read from disk is `damaged` too: say so with `damagedPolicy`. */
export async function parsePolicy(text: string | undefined): Promise<LocalPolicy> {
  if (text === undefined) return { is: "sound", policy: OPEN_POLICY };
  if (text.length > POLICY_BYTES_MAX) return damagedPolicy(`it has more than ${POLICY_BYTES_MAX} bytes`);
  const document = await parseYaml("policy.yaml", text);
  if (!document.ok) return damagedPolicy(document.faults.map(({ line, message }) => `line ${line}: ${message}`).join("; "));
  const parsed = z.safeParse(policyFile, document.value.value);
  if (!parsed.success)
    return damagedPolicy(
      issuesOf(parsed.error, document.value.value)
        .map(({ path, message }) => `${path.join(".")}: ${message}`)
        .join("; "),
    );
  return soundOnly(parsed.data);
}

export function damagedPolicy(because: string): LocalPolicy {
  return { is: "damaged", because: because.slice(0, 500) };
}

function soundOnly(file: z.infer<typeof policyFile>): LocalPolicy {
  const raise = Object.entries(file.raise ?? {});
  for (const name of [...(file.deny ?? []), ...raise.map(([name]) => name)]) {
    // A slip of the pen would forbid nothing, without a word.
    if (kindsOf(name).length === 0) return damagedPolicy(`there is no kind of op called ${name}`);
  }
  for (const [name, to] of raise) {
    const looser = kindsOf(name).find((kind) => rank(to) < rank(opTraits(kind)?.class ?? "destroy"));
    if (looser !== undefined) return damagedPolicy(`raise.${name}: ${looser} is already stricter than ${to}, and a policy can only tighten`);
  }
  const lifetimeMsMax = file.lifetimeSeconds === undefined ? OP_LIFETIME_MS_MAX : file.lifetimeSeconds * 1_000;
  if (lifetimeMsMax > OP_LIFETIME_MS_MAX) return damagedPolicy("lifetimeSeconds: it is above 30 days, and a policy can only tighten");
  return {
    is: "sound",
    policy: { deny: file.deny ?? [], raise, signers: file.signers ?? {}, windows: file.windows ?? {}, lifetimeMsMax, signedReads: file.signedReads ?? false },
  };
}

const kindsOf = (name: string): readonly string[] => OP_KIND_NAMES.filter((kind) => matches(name, kind));
const matches = (name: string, kind: string): boolean => (name.endsWith(".*") ? kind.startsWith(name.slice(0, -1)) : name === kind);
const rank = (opClass: OpClass): number => OP_CLASSES.indexOf(opClass);

/** Called at admission, and again when a queued op is about to run: a policy may have come in between. */
export function judgePolicy(local: LocalPolicy, op: VerifiedOp, root: { readonly payload: RootPayload }, at: LocalTime): Verdict<VerifiedOp> {
  if (local.is === "damaged") return refuse("op_policy", `${POLICY_PATH} can't be read as a policy, so nothing is taken: ${local.because}`);
  const { policy } = local;
  const { kind, issued_at, expires_at } = op.payload;
  const denied = policy.deny.find((name) => matches(name, kind));
  if (denied !== undefined) return refuse("op_policy", `${denied} is denied here`);
  const compiled = op.class ?? "destroy";
  const opClass = policy.raise.filter(([name]) => matches(name, kind)).reduce((strictest, [, to]) => (rank(to) > rank(strictest) ? to : strictest), compiled);
  if (op.valid.length === 0) {
    if (policy.signedReads || opClass !== "read" || !isOpKind(kind))
      return refuse("op_policy", "it is not signed, and this host takes nothing unsigned of that kind");
  } else {
    const { keys, threshold } = root.payload.roles[ROLE_OF_CLASS[opClass]];
    const needed = Math.max(threshold, policy.signers[opClass] ?? 1);
    const signers = keys.filter((key) => op.valid.includes(key)).length;
    if (signers < needed)
      return refuse("op_policy", `${signers} of the ${needed} signers with role ${ROLE_OF_CLASS[opClass]} that this host wants for ${kind}`);
  }
  if (expires_at - issued_at > policy.lifetimeMsMax)
    return refuse("op_policy", `it lives longer than the ${policy.lifetimeMsMax / 1_000} s that are allowed here`);
  if (!isInWindow(policy.windows[opClass], at)) return refuse("op_policy", `ops of class ${opClass} are taken in this host's windows only`);
  return accept(op);
}
