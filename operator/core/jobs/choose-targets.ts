import { Fault } from "../../../shared/core/fault.ts";
import type { HostId } from "../../../shared/core/ids.ts";
import { sha256HexOfText } from "../../../shared/core/sha256.ts";
import { checkTarget, exceptTarget, hostsTarget } from "../../../shared/ops/op-target.ts";
import type { Expressions, Subject } from "../../../shared/states/expression.ts";
import type { OpTarget } from "../../../shared/trust/payloads.ts";
import { REFUSALS, type Verdict } from "../../../shared/trust/verdict.ts";
import { chooseHost, matchesGlob } from "../fleet/choose-hosts.ts";

/**
 * From what a person typed to exactly what is signed. A host's name becomes its id; names, globs, `--limit` and `--from-file` become the
 * list of ids they mean now; only an expression stays an expression, and then means whoever it fits when the op arrives. Labels are those of
 * verified certificates and facts those a host signed: a hub can hide a host here, it can't put one in.
 */
export interface Candidate {
  readonly hostId: HostId;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface TargetWish {
  readonly asked: string;
  readonly except: readonly string[];
  /** `5` or `10%`. */
  readonly limit: string | undefined;
  readonly seed: string;
  /** Names and ids of `--from-file`: only these of those that are meant. */
  readonly from: readonly string[] | undefined;
}

export interface ChosenTargets {
  readonly target: OpTarget;
  readonly hosts: readonly Candidate[];
  /** How many were meant before `--limit`. */
  readonly meant: number;
  readonly aim: "host" | "list" | "expression";
  /** Hosts on which the expression could not be decided, with the first reason. */
  readonly undecided: { readonly count: number; readonly because: string } | undefined;
}

const NAMES = /^[A-Za-z0-9*?._-]+(?:,[A-Za-z0-9*?._-]+)*$/;
const isExpression = (asked: string): boolean => !NAMES.test(asked) || asked === "true" || asked === "false";
const GROUP = /^@([A-Za-z0-9][A-Za-z0-9._-]{0,62})$/;
/** `@web` is short for the label that an operator signed. */
const spelled = (asked: string): string => asked.replace(GROUP, 'has(label.group) && label.group == "$1"');
const GUEST = /^([A-Za-z0-9._-]+)\/([A-Za-z0-9._-]+)$/;

/** Whether every host's labels and facts have to be known, or only those of the hosts that are named. */
export function asksOfAll(wish: Pick<TargetWish, "asked" | "except">): boolean {
  return isExpression(wish.asked) || wish.except.some(isExpression);
}

/** The hosts whose names matter, by what the hub calls them: only these need their certificates looked at. */
export function namedHosts<T extends { readonly host_id: string; readonly name: string }>(hosts: readonly T[], asked: string): readonly T[] {
  return pick(
    hosts.map((host) => ({ host_id: host.host_id, name: host.name, host })),
    asked,
  ).map(({ host }) => host);
}

export function chooseTargets(candidates: readonly Candidate[], wish: TargetWish, expressions: Expressions): ChosenTargets {
  const judged = judge(candidates, wish.asked, expressions);
  const except = new Set(wish.except.flatMap((one) => judge(candidates, one, expressions).hosts.map(({ hostId }) => hostId)));
  const from = wish.from === undefined ? undefined : fileHosts(candidates, wish.from);
  const meant = judged.hosts.filter(({ hostId }) => !except.has(hostId) && (from === undefined || from.has(hostId)));
  const hosts = limited(meant, wish);
  if (hosts.length === 0) {
    throw new Fault(
      "not_found",
      `Cannot aim at ${wish.asked}: no host is meant${except.size + (from?.size ?? 0) > 0 ? " after --except and --from-file" : ""}`,
      {
        remedy:
          judged.undecided === undefined
            ? "felhom host list -o wide shows names and labels."
            : `On ${judged.undecided.count} it could not be decided: ${judged.undecided.because}`,
      },
    );
  }
  const stays = isExpression(wish.asked) && from === undefined && wish.limit === undefined;
  const made = stays
    ? exceptTarget(
        spelled(wish.asked),
        candidates.filter(({ hostId }) => except.has(hostId)).map(({ hostId }) => hostId),
      )
    : hostsTarget(hosts.map(({ hostId }) => hostId));
  const target = must(made, wish.asked);
  must(checkTarget(target, expressions), wish.asked);
  return { target, hosts, meant: meant.length, aim: stays ? "expression" : hosts.length === 1 ? "host" : "list", undecided: judged.undecided };
}

/** `HOST/GUEST`. */
export function guestTarget(candidates: readonly Candidate[], asked: string): ChosenTargets {
  const [, hostName = "", guest = ""] = GUEST.exec(asked) ?? [];
  if (guest === "")
    throw new Fault("bad_request", `Cannot aim at ${asked}: this kind is for a guest`, { remedy: "Write HOST/GUEST, such as kovacs-1/vm-104." });
  const host = chosenHost(candidates, hostName);
  return { target: { host_id: host.hostId, guest_id: guest }, hosts: [host], meant: 1, aim: "host", undecided: undefined };
}

export const guestHost = (asked: string): string => GUEST.exec(asked)?.[1] ?? asked;

const named = (candidate: Candidate) => ({ host_id: candidate.hostId as string, name: candidate.name, candidate });
const chosenHost = (candidates: readonly Candidate[], asked: string): Candidate => chooseHost(candidates.map(named), asked).candidate;

function pick<T extends { readonly host_id: string; readonly name: string }>(hosts: readonly T[], asked: string): readonly T[] {
  const picked = new Map<string, T>();
  for (const word of asked.split(",")) {
    for (const host of /[*?]/.test(word) ? hosts.filter(({ name }) => matchesGlob(name, word)) : [chooseHost(hosts, word)]) picked.set(host.host_id, host);
  }
  return [...picked.values()];
}

const TARGET_FORMS = "A target is a host's name, a glob such as 'web-*', @NAME for the label group=NAME, or an expression such as \"label.site == 'gyor'\".";

function judge(candidates: readonly Candidate[], asked: string, expressions: Expressions): Pick<ChosenTargets, "hosts" | "undecided"> {
  if (!isExpression(asked)) return { hosts: pick(candidates.map(named), asked).map(({ candidate }) => candidate), undecided: undefined };
  const expression = spelled(asked);
  const checked = expressions.check(expression, "host");
  if (!checked.ok)
    throw new Fault("bad_request", `Cannot aim at ${asked}: ${checked.message}`, {
      // @NAME is a target's spelling, of which the language of expressions knows nothing.
      remedy: checked.remedy === undefined || asked.includes("@") ? TARGET_FORMS : checked.remedy,
    });
  const hosts: Candidate[] = [];
  let undecided: ChosenTargets["undecided"];
  for (const candidate of candidates) {
    const judged = expressions.evaluate(expression, "host", subjectOf(candidate));
    if (!judged.ok) undecided = { count: (undecided?.count ?? 0) + 1, because: undecided?.because ?? `${candidate.name}: ${judged.message}` };
    else if (judged.value) hosts.push(candidate);
  }
  return { hosts, undecided };
}

const subjectOf = ({ hostId, name, labels, facts }: Candidate): Subject => ({ labels, facts, host: { id: hostId, name } });

function fileHosts(candidates: readonly Candidate[], words: readonly string[]): ReadonlySet<string> {
  const known = new Set(candidates.flatMap(({ hostId, name }) => [hostId as string, name]));
  const unknown = words.filter((word) => !known.has(word));
  if (unknown.length > 0)
    throw new Fault(
      "not_found",
      `Cannot take the list of hosts: ${unknown.slice(0, 5).join(", ")}${unknown.length > 5 ? ` and ${unknown.length - 5} more` : ""} are not among those that are meant`,
      {
        remedy: "felhom host list -o name shows the names.",
      },
    );
  const wanted = new Set(words);
  return new Set(candidates.filter(({ hostId, name }) => wanted.has(hostId) || wanted.has(name)).map(({ hostId }) => hostId));
}

/** Which ones is a matter of the seed alone: the same seed and fleet, the same hosts. */
function limited(hosts: readonly Candidate[], { limit, seed }: Pick<TargetWish, "limit" | "seed">): readonly Candidate[] {
  const byName = (some: readonly Candidate[]): readonly Candidate[] =>
    some.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.hostId < b.hostId ? -1 : 1));
  if (limit === undefined) return byName(hosts);
  const [, digits = "", percent] = /^(\d{1,6})(%?)$/.exec(limit) ?? [];
  const number = Number(digits);
  if (digits === "" || number === 0 || (percent === "%" && number > 100))
    throw new Fault("bad_request", `Cannot limit to ${limit}`, { remedy: "--limit takes a number of hosts or a share, such as 5 or 10%." });
  const wanted = percent === "%" ? Math.ceil((hosts.length * number) / 100) : number;
  const drawn = hosts
    .map((host) => ({ host, lot: sha256HexOfText(`${seed}\n${host.hostId}`) }))
    .toSorted((a, b) => (a.lot < b.lot ? -1 : 1))
    .slice(0, wanted);
  return byName(drawn.map(({ host }) => host));
}

function must<T>(verdict: Verdict<T>, asked: string): T {
  if (verdict.ok) return verdict.value;
  throw new Fault("bad_request", `Cannot aim at ${asked}: ${verdict.detail === "" ? REFUSALS[verdict.refusal] : verdict.detail}`, {
    remedy: "felhom run --help shows what a target can be.",
  });
}
