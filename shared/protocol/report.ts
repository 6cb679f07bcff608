import * as z from "zod/mini";
import { counter, fleetId, hostId, sha256Hex, text, wallMs } from "./fields.ts";

/** What became of one resource in one run. `drifted` is only seen in monitor mode: a change was needed and not made. */
export const resourceOutcome = z.strictObject({
  id: text(256),
  outcome: z.enum(["unchanged", "changed", "drifted", "failed", "skipped", "waiting"]),
  reason: text(512),
});
export type ResourceOutcome = z.infer<typeof resourceOutcome>;

/**
 * Signed payload `report`: the result of one converge run. `resources` lists everything but `unchanged`, at most 500;
 * `counts` are over all.
 */
export const report = z.strictObject({
  v: z.literal(1),
  fleet_id: fleetId,
  host_id: hostId,
  created_at: wallMs,
  /** Bundle in force (what was enforced), 0 when none. */
  bundle: counter,
  /** A newer bundle that is held but not enforced, with why. */
  refused: z.optional(z.strictObject({ bundle: counter, code: text(64), because: text(1_024) })),
  spec: counter,
  mode: z.enum(["enforce", "monitor", "paused"]),
  trigger: z.enum(["boot", "interval", "bundle", "spec", "demand", "retry"]),
  /** Where desired state was read from this time. */
  source: z.enum(["database", "snapshot"]),
  duration_ms: counter,
  counts: z.strictObject({ unchanged: counter, changed: counter, drifted: counter, failed: counter, skipped: counter, waiting: counter }),
  resources: z.array(resourceOutcome).check(z.maxLength(500)),
  plan_sha256: sha256Hex,
});
export type Report = z.infer<typeof report>;

/** A fact is a scalar, a list or a map of facts, at most 8 levels. */
export type FactValue = string | number | boolean | null | readonly FactValue[] | { readonly [name: string]: FactValue };

/** Signed payload `facts`: identity facts of a box, sent when they change and at most every ten minutes. */
export const factsReport = z.strictObject({
  v: z.literal(1),
  fleet_id: fleetId,
  host_id: hostId,
  created_at: wallMs,
  facts: z.custom<{ readonly [name: string]: FactValue }>((value) => typeof value === "object" && value !== null && !Array.isArray(value)),
});
export type FactsReport = z.infer<typeof factsReport>;
