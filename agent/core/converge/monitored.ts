import type { ResourceOutcome } from "../../../shared/protocol/report.ts";
import type { Planned } from "./plan.ts";

const REASON_CHARS_MAX = 512;

/** What monitor mode reports: the plan, with nothing done about it. What hangs on a change that is not made waits for it. */
export function monitored(planned: readonly Planned[]): readonly ResourceOutcome[] {
  return planned.map(({ resource: { id }, verdict }) => {
    switch (verdict.is) {
      case "unchanged":
        return { id, outcome: "unchanged", reason: "" };
      case "change":
        return {
          id,
          outcome: "drifted",
          reason: verdict.steps
            .map((step) => step.reason)
            .join("; ")
            .slice(0, REASON_CHARS_MAX),
        };
      case "unclear":
        return { id, outcome: "waiting", reason: verdict.because.slice(0, REASON_CHARS_MAX) };
      case "skipped":
        return { id, outcome: "skipped", reason: `because ${verdict.because}`.slice(0, REASON_CHARS_MAX) };
      default:
        return { id, outcome: verdict.is, reason: verdict.because.slice(0, REASON_CHARS_MAX) };
    }
  });
}
