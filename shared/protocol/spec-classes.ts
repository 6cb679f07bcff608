/**
 * What an edit of a host's spec may do, field by field. Compiled into every agent, so a hub can't make a field harmless: `safe` sets
 * pace and mode of enforcing, `held` destroys something and waits on the box for a signed `spec.apply`. The command line warns by this
 * table, and the hub drafts by it; neither is believed by a box.
 */
export type SpecField = "mode" | "paused_until" | "interval_s" | "fetch_windows" | "apply_windows" | "nats" | "retire";
export const SPEC_CLASSES = {
  mode: "safe",
  paused_until: "safe",
  interval_s: "safe",
  fetch_windows: "safe",
  apply_windows: "safe",
  nats: "safe",
  retire: "held",
} as const satisfies Record<SpecField, "safe" | "held">;

/** As JSON text: what a signer reads is what the box compares. `null` is not set. */
export interface HeldField {
  readonly from: string;
  readonly to: string;
}

export const heldText = (value: unknown): string => JSON.stringify(value ?? null);
