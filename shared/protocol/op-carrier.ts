import * as z from "zod/mini";
import { envelope, fleetId, hostId, text } from "./fields.ts";

/**
 * Ops and answers on a USB stick: JSON files between a workstation and a box that no network reaches. `felhom op export` writes the first and
 * `felhom op import` on the box takes it through the same admission and ledger as any other carrier; the box writes the second, and
 * `felhom op import` on a workstation verifies it. Nothing in a file is believed but for the signatures inside.
 */
export const OP_FILE_BYTES_MAX = 32 * 1_024 * 1_024;

export const opFile = z.object({ v: z.literal(1), file: z.literal("ops"), fleet_id: fleetId, ops: z.array(envelope).check(z.minLength(1), z.maxLength(64)) });
export type OpFile = z.infer<typeof opFile>;

/** `log` are lines of the box's own op log, oldest first, as it wrote them. */
export const receiptFile = z.object({
  v: z.literal(1),
  file: z.literal("receipts"),
  fleet_id: fleetId,
  host_id: hostId,
  returns: z.array(envelope).check(z.maxLength(20_000)),
  log: z.optional(z.array(text(4_096)).check(z.maxLength(20_000))),
});
export type ReceiptFile = z.infer<typeof receiptFile>;
