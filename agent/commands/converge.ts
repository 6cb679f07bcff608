import type { Run } from "../../shared/cli/command.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { statusData, statusText } from "../core/status/status-text.ts";
import { boxPaths } from "../edge/box-paths.ts";
import { askConverge, readAgentStatus } from "../edge/socket/socket-client.ts";

const LOOK_MS = 250;

/** Exit 0 when all is as wanted, 1 when something failed or is degraded, 3 when there is drift that was only looked at. */
export const run: Run = async (call) => {
  const { socketPath } = await boxPaths(call);
  const before = await readAgentStatus(call.world, socketPath);
  if (before.host === undefined)
    throw new Fault("unavailable", "Cannot converge: this box is not enrolled", { remedy: "felhom enroll, or felhom local apply DIR" });
  await askConverge(call.world, socketPath);
  if (call.options["no-wait"] === true) return 0;
  hint(call, "  converging …");
  const endMs = call.world.clock.monoMs() + call.globals.timeoutMs;
  for (;;) {
    await call.world.clock.sleep(LOOK_MS, call.terminal.interrupted);
    if (call.terminal.interrupted.aborted) return 130;
    const status = await readAgentStatus(call.world, socketPath);
    const { last, failure, running } = status.converge;
    const isDone =
      running === undefined && (failure !== undefined || (last !== undefined && last.trigger === "demand" && last.atMs !== before.converge.last?.atMs));
    if (isDone) {
      present(call, { kind: "AgentStatus", data: statusData(status), human: () => statusText(status, call.world.clock.wallMs(), call.terminal) });
      if (failure !== undefined || (last?.counts.failed ?? 0) > 0 || last?.degraded !== undefined) return 1;
      return (last?.counts.drifted ?? 0) > 0 ? 3 : 0;
    }
    if (call.world.clock.monoMs() > endMs) return 124;
  }
};
