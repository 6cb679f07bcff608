import { age, count } from "../../../shared/cli/age.ts";
import { spellKey } from "../../../shared/trust/keys.ts";
import type { OpPayload, RootPayload } from "../../../shared/trust/payloads.ts";
import type { Standing } from "../../../shared/trust/op.ts";
import { actorText } from "../trust/actor-text.ts";
import type { TargetView } from "./target-view.ts";

/**
 * What a signer should look at twice. Compared with what this workstation remembers of what was signed on it, never with what the hub
 * says was normal. Lines hold untrusted text; whoever prints them escapes them.
 */
export interface SigningMemory {
  readonly hosts: Readonly<Record<string, { readonly name: string; readonly box_key: string }>>;
  readonly drafters: readonly string[];
}

export const EMPTY_MEMORY: SigningMemory = { hosts: {}, drafters: [] };
export const EVIDENCE_OLD_MS = 24 * 3_600_000;
const LONG_MS = 7 * 24 * 3_600_000;
const NAMES_MAX = 5;
export const DRAFTERS_MAX = 500;
export const HOSTS_MAX = 100_000;

export interface Looking {
  readonly payload: OpPayload;
  readonly draftedBy: string;
  readonly root: RootPayload;
  readonly view: TargetView;
  readonly standing: Standing;
  readonly memory: SigningMemory;
  readonly nowMs: number;
}

export function unusualLines({ payload, draftedBy, root, view, standing, memory, nowMs }: Looking): readonly string[] {
  const lines: string[] = [];
  const changed = view.meant.filter(({ identity }) => {
    const known = memory.hosts[identity.hostId];
    return known !== undefined && known.box_key !== spellKey(identity.boxKey);
  });
  if (changed.length > 0) lines.push(`${names(changed)} changed the key for its secrets since you last signed for it`);
  const renamed = view.meant.filter(({ identity }) =>
    Object.entries(memory.hosts).some(([id, known]) => known.name === identity.name && id !== identity.hostId),
  );
  if (renamed.length > 0) lines.push(`${names(renamed)} has another identity key than the host of that name that you last signed for`);
  if (!memory.drafters.includes(draftedBy)) lines.push(`the first op drafted by ${actorText(draftedBy, root)} that you see here`);
  if (view.unverified.length > 0)
    lines.push(
      `${count(view.unverified.length, "host")} in the hub's list can't be verified here and may be meant: ${listed(view.unverified.map(({ name }) => name))}`,
    );
  if (view.unknown.length > 0) lines.push(`${count(view.unknown.length, "host")} may be meant, but signed no facts to tell by: ${names(view.unknown)}`);
  if (view.meant.length === 0) lines.push("no host that is known here is meant by it now; it holds for hosts to come");
  if (!("host_id" in payload.target) && view.looked > 1 && view.meant.length === view.looked) lines.push(`it is aimed at every one of ${view.looked} hosts`);
  if (view.reads.facts.length > 0) lines.push(`it is aimed by what boxes claim of themselves: ${listed(view.reads.facts.map((fact) => `fact.${fact}`))}`);
  const silent = view.meant.filter(({ facts, report }) => nowMs - Math.max(facts?.at ?? 0, report?.at ?? 0) > EVIDENCE_OLD_MS);
  if (silent.length > 0) lines.push(`${names(silent)} signed nothing in the last ${age(EVIDENCE_OLD_MS)}`);
  // Nothing that a host signs tells of backups yet, so there is none to show.
  if (payload.kind === "guest.destroy" && "guest_id" in payload.target) lines.push(`no verified backup of ${payload.target.guest_id} is known here`);
  if (payload.expires_at - payload.issued_at > LONG_MS) lines.push(`it stays valid for ${age(payload.expires_at - payload.issued_at)}`);
  if (standing.ignored.length > 0)
    lines.push(`${count(standing.ignored.length, "signature")} on it ${standing.ignored.length === 1 ? "does" : "do"} not count: ${listed(standing.ignored)}`);
  return lines;
}

/** What is remembered once it was signed. Bounded: the oldest drafters go first. */
export function remembered(memory: SigningMemory, { draftedBy, view }: Pick<Looking, "draftedBy" | "view">): SigningMemory {
  const fresh = Object.fromEntries(view.meant.map(({ identity }) => [identity.hostId, { name: identity.name, box_key: spellKey(identity.boxKey) }]));
  const hosts = Object.fromEntries(Object.entries({ ...memory.hosts, ...fresh }).slice(-HOSTS_MAX));
  const drafters = [...memory.drafters.filter((drafter) => drafter !== draftedBy), draftedBy].slice(-DRAFTERS_MAX);
  return { hosts, drafters };
}

const names = (hosts: TargetView["meant"]): string => listed(hosts.map(({ identity }) => identity.name));
const listed = (all: readonly string[]): string =>
  `${all.slice(0, NAMES_MAX).join(", ")}${all.length > NAMES_MAX ? ` and ${all.length - NAMES_MAX} more` : ""}`;
