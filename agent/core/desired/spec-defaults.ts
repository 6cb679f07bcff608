import type { HostSpec } from "../../../shared/protocol/spec.ts";
import type { FleetDefaults } from "../../../shared/states/fleet-documents.ts";
import { clampSpec } from "./spec.ts";

/**
 * What holds for this box: its own spec, and where that says nothing the fleet's defaults, which came signed in the bundle. A box
 * that has no spec yet has the defaults alone, under generation 0, which is none. A
 * fleet that only monitors does so whatever a spec says.
 */
export function specInForce(
  spec: HostSpec | undefined,
  defaults: FleetDefaults | undefined,
  hostId: HostSpec["host_id"] | undefined,
  nowMs: number,
): HostSpec | undefined {
  const { mode, interval, fetchWindows, applyWindows } = defaults ?? {};
  if (hostId === undefined || [mode, interval, fetchWindows, applyWindows].every((one) => one === undefined)) return spec;
  const filled: HostSpec = {
    ...(interval === undefined ? {} : { interval_s: interval }),
    ...(fetchWindows === undefined ? {} : { fetch_windows: fetchWindows }),
    ...(applyWindows === undefined ? {} : { apply_windows: applyWindows }),
    ...(spec ?? { v: 1, host_id: hostId, generation: 0, mode: "enforce" }),
    ...(mode === "monitor" ? { mode } : {}),
  };
  return clampSpec(filled, nowMs);
}
