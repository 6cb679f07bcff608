import type { Call } from "../../shared/cli/command.ts";
import { roleSettings } from "../../shared/config/role-settings.ts";
import { Fault } from "../../shared/core/fault.ts";
import { readSettingsFile } from "../../shared/edge/settings-file.ts";
import { databasePath } from "../edge/store/open.ts";
import { type HubSettings, hubSettingsFrom } from "../settings.ts";

/** Where this machine's hub keeps everything, from flag, environment, settings file and default: the same layers that the hub itself reads. */
export async function hubDataDir(call: Call): Promise<string> {
  return (await hubPlace(call)).dataDir;
}

/** The same, with the NATS servers that the hub's settings name. */
export async function hubPlace(call: Call): Promise<Pick<HubSettings, "dataDir" | "nats">> {
  const given = textOption(call, "data-dir");
  const { flat } = await roleSettings("hub", { argv: [], env: call.env, files: call.world.files, readFile: readSettingsFile });
  const { dataDir, nats } = hubSettingsFrom(flat, call.world.self, call.env["HOME"] ?? "/");
  return { dataDir: given === undefined ? dataDir : absolute(call, given), nats };
}

/** The same, where there must be a hub. */
export async function existingDataDir(call: Call): Promise<string> {
  const dataDir = await hubDataDir(call);
  if (call.world.files.stat("hub.look", databasePath(dataDir)) === undefined) {
    throw new Fault("file_missing", `Cannot find a hub in ${dataDir}: there is no database`, { remedy: "Name the hub's data directory: --data-dir DIR" });
  }
  return dataDir;
}

export const absolute = (call: Pick<Call, "cwd">, path: string): string => (path.startsWith("/") ? path : `${call.cwd}/${path}`).replace(/(?<=.)\/+$/, "");

export function textOption(call: Pick<Call, "options">, name: string): string | undefined {
  const value = call.options[name];
  return typeof value === "string" ? value : undefined;
}

export function textArgument(call: Pick<Call, "args">, name: string): string {
  const value = call.args[name];
  return typeof value === "string" ? value : "";
}
