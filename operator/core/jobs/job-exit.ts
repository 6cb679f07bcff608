import type { ExitCode } from "../../../shared/cli/command.ts";
import type { Outcome } from "./job-book.ts";

type Counts = Readonly<Record<Outcome, number>>;

export const openHosts = (counts: Counts): number => counts.waiting + counts.running;
export const failedHosts = (counts: Counts): number => counts.failed + counts.refused + counts.busy + counts.interrupted;
export const silentHosts = (counts: Counts): number => counts.silent + counts.expired + counts.cancelled;

/** From cli.md: 7 when an answer does not verify, 4 when a host failed, 124 when time ran out, 5 when hosts gave no answer, else 0. */
export function jobExit(counts: Counts, timedOut: boolean): ExitCode {
  if (counts.unverified > 0) return 7;
  if (failedHosts(counts) > 0) return 4;
  if (timedOut && openHosts(counts) > 0) return 124;
  return openHosts(counts) + silentHosts(counts) > 0 ? 5 : 0;
}
