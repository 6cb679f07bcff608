import { isoTime, isoTimeOrNull } from "../../../shared/cli/age.ts";
import type { ExitCode } from "../../../shared/cli/command.ts";
import { answerData } from "./answer-text.ts";
import type { HostBook, JobBook } from "./job-book.ts";
import { failedHosts, openHosts, silentHosts } from "./job-exit.ts";

/** A job as data: one record per host, and the summary that every stream ends with. */
export function hostData(host: HostBook, job: string): Readonly<Record<string, unknown>> {
  return {
    job,
    host: host.name,
    hostId: host.hostId,
    outcome: host.outcome,
    verified: host.answer !== undefined,
    ...(host.unverified === undefined ? {} : { unverified: host.unverified }),
    ...(host.answer === undefined
      ? { ...(host.code === null ? {} : { code: host.code }), lastSeen: isoTimeOrNull(host.lastSeenMs) }
      : { at: isoTime(host.answer.atMs), ...answerData(host.answer) }),
  };
}

/** The type of its line: `return` for what went well, `silent` for what never came, `failed` for all else. */
export function hostLineType({ outcome }: Pick<HostBook, "outcome">): "return" | "failed" | "silent" {
  if (outcome === "ok") return "return";
  const nothingCame: readonly HostBook["outcome"][] = ["silent", "expired", "cancelled", "waiting", "running"];
  return nothingCame.includes(outcome) ? "silent" : "failed";
}

export function summaryData(book: JobBook, job: string, end: { readonly exit: ExitCode; readonly elapsedMs: number }): Readonly<Record<string, unknown>> {
  const counts = book.counts();
  return {
    job,
    hosts: book.size,
    ok: counts.ok,
    failed: failedHosts(counts),
    silent: silentHosts(counts),
    open: openHosts(counts),
    unverified: counts.unverified,
    outcomes: counts,
    exit: end.exit,
    seconds: Math.round(end.elapsedMs / 100) / 10,
  };
}
