import { PROTOCOL } from "../shared/protocol/version.ts";
import { VERSION } from "../shared/version.ts";

/** Small enough to be part of the entry: `felhom version` starts nothing else. */
export function versionLine(): string {
  return `felhom ${VERSION} (protocol ${PROTOCOL}, bun ${Bun.version})`;
}

/** The bare form only; with options it is a command like any other. */
export function asksVersion(argv: readonly string[]): boolean {
  const [first, ...more] = argv;
  return more.length === 0 && (first === "version" || first === "--version" || first === "-V");
}
