import type { Call } from "../../shared/cli/command.ts";
import { isFault } from "../../shared/core/fault.ts";
import { agentPaths } from "../settings.ts";

/** Is there an agent's socket or data directory here? Looks, and never fails: a directory that may not be looked into is not ours. */
export function isBox(call: Call): boolean {
  const given = {
    dataDir: text(call.options["data-dir"]) ?? call.env["FELHOM_DATA_DIR"] ?? "",
    socketPath: text(call.options["socket-path"]) ?? call.env["FELHOM_SOCKET_PATH"] ?? "",
  };
  const { dataDir, socketPath } = agentPaths(given, call.world.self, call.env["HOME"] ?? "/");
  return [socketPath, `${dataDir}/identity`, "/etc/felhom/agent.yaml"].some((path) => isThere(call, path));
}

function isThere(call: Call, path: string): boolean {
  try {
    return call.world.files.stat("box.look", path) !== undefined;
  } catch (error) {
    if (isFault(error)) return false;
    throw error;
  }
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
