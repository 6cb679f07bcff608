import { PROTOCOL } from "../shared/protocol/version.ts";
import { VERSION } from "../shared/version.ts";

export function versionLine(): string {
  return `felhom ${VERSION} (protocol ${PROTOCOL}, bun ${Bun.version})`;
}
