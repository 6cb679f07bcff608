import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { statusData, statusText } from "../core/status/status-text.ts";
import { boxPaths } from "../edge/box-paths.ts";
import { readAgentStatus } from "../edge/socket/socket-client.ts";

/** Exit 0 when the agent answers, whatever it says: scripts read the JSON. 75 when nobody does. */
export const run: Run = async (call) => {
  const { socketPath } = await boxPaths(call);
  const status = await readAgentStatus(call.world, socketPath);
  present(call, {
    kind: "AgentStatus",
    data: statusData(status),
    human: () => statusText(status, call.world.clock.wallMs(), call.terminal),
    next: status.host === undefined ? "felhom enroll" : "felhom doctor",
  });
  return 0;
};
