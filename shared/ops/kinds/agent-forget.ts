import * as z from "zod/mini";
import { MINUTE_MS, opKind } from "../op-kind.ts";

const schema = z.strictObject({});

export const agentForget = opKind({
  kind: "agent.forget",
  class: "destroy",
  summary: "Has the host leave the fleet: it deletes its keys and what it holds of the fleet, and stops. What it configured stays as it is.",
  aims: "host",
  schema,
  describe: () => [
    "leave the fleet: delete the host's keys, its desired state and its secrets at rest, and stop the agent",
    "what was configured stays as it is; to come back the host enrolls again",
  ],
  offline: "hold",
  exclusive: true,
  idempotent: false,
  timeoutMs: () => 5 * MINUTE_MS,
  unsignedByDefault: false,
  example: {},
});
