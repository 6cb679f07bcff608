import type { Call, ExitCode, Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { verifyOpLog } from "../../shared/ops/op-log.ts";
import { opLogData, opLogText } from "../core/status/op-log-text.ts";
import { statusData, statusText } from "../core/status/status-text.ts";
import { boxPaths } from "../edge/box-paths.ts";
import { readAgentStatus, readOpLog } from "../edge/socket/socket-client.ts";
import { textOption } from "./option.ts";

/** Exit 0 when the agent answers, whatever it says: scripts read the JSON. 75 when nobody does. */
const ENTRIES_MAX = 10_000;

/** Exit 1 when the log does not hold together: somebody wrote in it who should not have. */
async function showLog(call: Call, socketPath: string): Promise<ExitCode> {
  const wanted = Number(textOption(call, "lines") ?? "50");
  if (!Number.isSafeInteger(wanted) || wanted < 1 || wanted > ENTRIES_MAX)
    throw new Fault("bad_request", `Cannot show ${textOption(call, "lines")} entries: at least 1, at most ${ENTRIES_MAX}`);
  const lines = await readOpLog(call.world, socketPath, wanted);
  const verdict = verifyOpLog(lines);
  present(call, { kind: "OpLog", data: opLogData(lines, verdict), human: () => opLogText(lines, verdict, call.terminal) });
  return verdict.ok ? 0 : 1;
}

export const run: Run = async (call) => {
  const { socketPath } = await boxPaths(call);
  if (call.options["log"] === true) return showLog(call, socketPath);
  const status = await readAgentStatus(call.world, socketPath);
  present(call, {
    kind: "AgentStatus",
    data: statusData(status),
    human: () => statusText(status, call.world.clock.wallMs(), call.terminal),
    next: status.host === undefined ? "felhom enroll" : "felhom doctor",
  });
  return 0;
};
