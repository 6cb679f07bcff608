import { expect, test } from "bun:test";
import type { HostHealth } from "../../../shared/protocol/api/hosts.ts";
import type { ReportSummary } from "../sync/report-summary.ts";
import { healthOf, type HostFacts } from "./host-item.ts";

const counts = { unchanged: 3, changed: 0, drifted: 0, failed: 0, skipped: 0, waiting: 0 };
const report = (part: Partial<ReportSummary> = {}): ReportSummary => ({
  bundle: 4,
  spec: 1,
  mode: "enforce",
  source: "database",
  counts,
  refused: null,
  created_at: 1,
  ...part,
});
const refused = { bundle: 5, code: "render_failed", because: "x" };

type Row = readonly [string, Pick<HostFacts, "isRevoked" | "contact" | "report">, HostHealth];
const TABLE: readonly Row[] = [
  ["revoked outranks everything", { isRevoked: true, contact: "down", report: report({ counts: { ...counts, failed: 1 } }) }, "revoked"],
  ["down outranks what it said before", { isRevoked: false, contact: "down", report: report() }, "down"],
  ["stale too", { isRevoked: false, contact: "stale", report: report({ counts: { ...counts, failed: 1 } }) }, "stale"],
  ["never heard of", { isRevoked: false, contact: "never", report: undefined }, "unknown"],
  ["in contact without a report", { isRevoked: false, contact: "up", report: undefined }, "unknown"],
  ["all in place", { isRevoked: false, contact: "up", report: report() }, "ok"],
  ["failed outranks refused", { isRevoked: false, contact: "up", report: report({ counts: { ...counts, failed: 1 }, refused }) }, "failed"],
  ["refused outranks drift", { isRevoked: false, contact: "up", report: report({ counts: { ...counts, drifted: 1 }, refused }) }, "degraded"],
  ["drift", { isRevoked: false, contact: "up", report: report({ counts: { ...counts, drifted: 2 } }) }, "drift"],
];

for (const [name, facts, health] of TABLE) test(`health: ${name}`, () => expect(healthOf(facts)).toBe(health));
