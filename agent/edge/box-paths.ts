import type { Call } from "../../shared/cli/command.ts";
import { roleSettings } from "../../shared/config/role-settings.ts";
import { readSettingsFile } from "../../shared/edge/settings-file.ts";
import { agentPaths } from "../settings.ts";

/** Where this box's agent lives, from flag, environment, settings file and default: the same layers that the agent itself reads. */
export async function boxPaths(call: Call): Promise<{ readonly dataDir: string; readonly socketPath: string }> {
  const { flat } = await roleSettings("agent", { argv: [], env: call.env, files: call.world.files, readFile: readSettingsFile });
  const given = (name: string): string | undefined => {
    const value = call.options[name];
    return typeof value === "string" ? absolute(call.cwd, value) : undefined;
  };
  const dataDir = given("data-dir") ?? flat.dataDir;
  // A data directory that was named explicitly comes with its own socket, unless that was named too.
  const socketPath = given("socket-path") ?? (given("data-dir") === undefined ? flat.socketPath : "");
  return agentPaths({ dataDir, socketPath }, call.world.self, call.env["HOME"] ?? "/");
}

function absolute(cwd: string, path: string): string {
  return path.startsWith("/") ? path : `${cwd}/${path}`;
}
