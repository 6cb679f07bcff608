import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { PROTOCOL, PROTOCOL_MIN } from "../../shared/protocol/version.ts";
import { VERSION } from "../../shared/version.ts";
import { versionLine } from "../version-line.ts";

/** Only reached with options: the bare `felhom version` is answered before any of this is loaded (operator/mode.ts). */
export const run: Run = (call) => {
  present(call, {
    kind: "Version",
    data: { name: "felhom", version: VERSION, protocol: PROTOCOL, protocolMin: PROTOCOL_MIN, bun: Bun.version },
    human: () => versionLine(),
  });
  return Promise.resolve(0);
};
