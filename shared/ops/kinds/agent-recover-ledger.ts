import * as z from "zod/mini";
import { opaqueId } from "../../protocol/fields.ts";
import { described } from "../fields.ts";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({
  incident: described(
    opaqueId,
    "The id that the host gave this damage; `felhom host show` has it. The op is for this one only, so an old one recovers nothing.",
  ),
});

/** Every op that was issued before this one is refused from then on: what the ledger no longer knows can't run a second time. */
export const agentRecoverLedger = opKind({
  kind: "agent.recover-ledger",
  class: "change",
  summary: "Lets a host take ops again after its record of ops was damaged or an older copy of it was put back.",
  aims: "host",
  schema,
  describe: ({ incident }) => [`take ops again after the damage ${incident}`, "every op issued before this one is refused from then on"],
  offline: "hold",
  exclusive: true,
  idempotent: true,
  timeoutMs: () => MINUTE_MS,
  unsignedByDefault: false,
  example: { incident: "lost-4b7qk2" },
});
