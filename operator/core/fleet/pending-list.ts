import { ageOf, isoTime } from "../../../shared/cli/age.ts";
import { table, type Cell } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { EnrollmentItem, HostItem } from "../../../shared/protocol/api/hosts.ts";
import type { Verdict } from "../../../shared/trust/verdict.ts";
import { readEnrollment, type Enrollment } from "./read-enrollment.ts";
import { unverifiedText } from "./verified-host.ts";

/** Boxes that ask to be let in. The words and the claims come from what the box signed; address and age are the hub's word. */
export interface Pending {
  readonly item: EnrollmentItem;
  readonly read: Verdict<Enrollment>;
}

export function readPending(items: readonly EnrollmentItem[]): readonly Pending[] {
  return items.map((item) => ({ item, read: readEnrollment(item) })).toSorted((a, b) => b.item.created_at - a.item.created_at);
}

export interface PendingShown {
  readonly pending: readonly Pending[];
  /** The fleet's hosts, for names that are taken. */
  readonly hosts: readonly HostItem[];
}

/** Who else has the name that this box gave itself: a member of the fleet, or another that asks. A name proves nothing, but two of one are worth a look. */
function sameNameAs({ item, read }: Pending, among: PendingShown): { readonly hosts: readonly string[]; readonly requests: readonly string[] } {
  if (!read.ok) return { hosts: [], requests: [] };
  const { name } = read.value.statement;
  return {
    hosts: among.hosts.filter((host) => host.name === name && host.health !== "revoked" && host.host_id !== item.host_id).map(({ host_id }) => host_id),
    requests: among.pending
      .filter((other) => other.item.request_id !== item.request_id && other.read.ok && other.read.value.statement.name === name)
      .map((other) => other.item.request_id),
  };
}

export function pendingText(shown: PendingShown, nowMs: number, terminal: Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">): string {
  if (shown.pending.length === 0) return "  No box waits for approval.";
  const rows = shown.pending.map((pending): readonly Cell[] => {
    const { item, read } = pending;
    const { hosts, requests } = sameNameAs(pending, shown);
    const namesakes = [...hosts, ...requests];
    return [
      read.ok ? read.value.statement.name : { text: "unverified", style: "bad" },
      read.ok ? { text: read.value.words.join("-"), style: "strong" } : { text: unverifiedText(read), style: "bad" },
      item.address,
      ageOf(item.created_at, nowMs),
      read.ok ? claimsText(read.value) : "",
      item.request_id,
      namesakes.length > 0 ? { text: `! same name as ${namesakes.join(", ")}`, style: "warn" } : "",
    ];
  });
  return table(
    [
      { title: "NAME", flex: true, least: 10 },
      { title: "WORDS" },
      { title: "FROM", drop: 4 },
      { title: "AGE", align: "right" },
      { title: "CLAIMS", flex: true, drop: 2 },
      { title: "REQUEST", drop: 3 },
      { title: "NOTE", flex: true, least: 18, drop: 5 },
    ],
    rows,
    terminal,
  );
}

/** What the box says of itself, in one line. It is a claim: nothing but the keys is checked. */
export function claimsText({ statement }: Enrollment): string {
  const { facts } = statement;
  const of = (key: string): string => facts[key] ?? "";
  const memoryMb = Number(of("memory.total_mb"));
  const os = of("os.name").includes(of("os.version")) ? of("os.name") : `${of("os.name")} ${of("os.version")}`.trim();
  const parts = [os, of("kernel.arch"), memoryMb > 0 ? `${Math.round(memoryMb / 102.4) / 10} GiB` : "", of("virtualisation.kind")];
  return parts.filter((part) => part !== "").join(", ");
}

export function pendingData(shown: PendingShown): Readonly<Record<string, unknown>> {
  return {
    items: shown.pending.map(({ item, read }) => ({
      id: item.request_id,
      hostId: item.host_id,
      state: item.state,
      address: item.address,
      createdAt: isoTime(item.created_at),
      verified: read.ok,
      ...(read.ok
        ? { name: read.value.statement.name, words: read.value.words.join("-"), agent: read.value.statement.agent_version, claims: read.value.statement.facts }
        : { refusal: read.refusal, detail: read.detail }),
      sameNameAs: sameNameAs({ item, read }, shown),
    })),
  };
}
