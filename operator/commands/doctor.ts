import type { Run } from "../../shared/cli/command.ts";
import { doctorData, doctorExit, doctorText } from "../../shared/cli/doctor-screen.ts";
import { present } from "../../shared/cli/present.ts";
import { examineHub } from "../edge/examine-hub.ts";

/** The way to the hub and the hub itself, from a workstation. On a box `felhom doctor` is the agent's command of the same name. */
export const run: Run = async (call) => {
  const findings = await examineHub(call);
  present(call, { kind: "Doctor", data: doctorData("hub", findings), human: () => doctorText(findings, call.terminal) });
  return doctorExit(findings);
};
