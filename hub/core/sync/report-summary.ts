/**
 * What lists show of a host's newest report, and which events a report makes. The summary is the hub's reading, kept beside the
 * envelope; the operator's tools read the envelope itself. Events are made of changes: a box that fails every five minutes fails once.
 */
import type { Report } from "../../../shared/protocol/report.ts";

export interface ReportSummary {
  readonly bundle: number;
  readonly spec: number;
  readonly mode: Report["mode"];
  readonly source: Report["source"];
  readonly counts: Report["counts"];
  readonly refused: { readonly bundle: number; readonly code: string; readonly because: string } | null;
  readonly created_at: number;
  /** How far the box's clock was from the hub's, where that was far (hub/core/hosts/clock-off.ts). */
  readonly clock_off_ms?: number;
}

export type Condition = "ok" | "drifted" | "failed" | "degraded";

export function summarise(report: Report): ReportSummary {
  const { bundle, spec, mode, source, counts, created_at } = report;
  return { bundle, spec, mode, source, counts, refused: report.refused ?? null, created_at };
}

/** The worst thing first: a failed resource outranks a refused bundle, which outranks drift. */
export function conditionOf(summary: ReportSummary): Condition {
  if (summary.counts.failed > 0) return "failed";
  if (summary.refused !== null || summary.source === "snapshot") return "degraded";
  return summary.counts.drifted > 0 ? "drifted" : "ok";
}

export interface ReportEvent {
  readonly kind: "host.changed" | "host.drifted" | "host.failed" | "host.degraded" | "host.converged";
  readonly data: Readonly<Record<string, string | number | boolean | null>>;
}

export function reportEvents(before: ReportSummary | undefined, now: ReportSummary): readonly ReportEvent[] {
  const events: ReportEvent[] = [];
  const { changed, failed, drifted, skipped } = now.counts;
  const numbers = { bundle: now.bundle, changed, failed, drifted, skipped };
  if (changed > 0) events.push({ kind: "host.changed", data: numbers });
  const condition = conditionOf(now);
  const turned = before === undefined || conditionOf(before) !== condition;
  switch (condition) {
    case "ok":
      if (turned || before?.bundle !== now.bundle) events.push({ kind: "host.converged", data: numbers });
      break;
    case "drifted":
      if (turned) events.push({ kind: "host.drifted", data: numbers });
      break;
    case "failed":
      if (turned || before?.counts.failed !== failed) events.push({ kind: "host.failed", data: numbers });
      break;
    case "degraded":
      if (turned || before?.refused?.code !== now.refused?.code || before?.refused?.bundle !== now.refused?.bundle) {
        events.push({
          kind: "host.degraded",
          data: {
            ...numbers,
            source: now.source,
            refused_bundle: now.refused?.bundle ?? null,
            code: now.refused?.code ?? null,
            because: now.refused?.because ?? null,
          },
        });
      }
      break;
  }
  return events;
}
