import { ageOf, isoTime } from "../../../shared/cli/age.ts";
import { table, type Cell } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { EnrollmentItem } from "../../../shared/protocol/api/hosts.ts";
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

export function pendingText(pending: readonly Pending[], nowMs: number, terminal: Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">): string {
  if (pending.length === 0) return "  No box waits for approval.";
  const names = pending.flatMap(({ read }) => (read.ok ? [read.value.statement.name] : []));
  const rows = pending.map(({ item, read }): readonly Cell[] => {
    const clash = read.ok && names.filter((name) => name === read.value.statement.name).length > 1;
    return [
      read.ok ? read.value.statement.name : { text: "unverified", style: "bad" },
      read.ok ? { text: read.value.words.join("-"), style: "strong" } : { text: unverifiedText(read), style: "bad" },
      item.address,
      ageOf(item.created_at, nowMs),
      read.ok ? claimsText(read.value) : "",
      item.request_id,
      clash ? { text: "! another asks by this name", style: "warn" } : "",
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
      { title: "NOTE", drop: 5 },
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

export function pendingData(pending: readonly Pending[]): Readonly<Record<string, unknown>> {
  return {
    items: pending.map(({ item, read }) => ({
      id: item.request_id,
      hostId: item.host_id,
      state: item.state,
      address: item.address,
      createdAt: isoTime(item.created_at),
      verified: read.ok,
      ...(read.ok
        ? { name: read.value.statement.name, words: read.value.words.join("-"), agent: read.value.statement.agent_version, claims: read.value.statement.facts }
        : { refusal: read.refusal, detail: read.detail }),
    })),
  };
}
