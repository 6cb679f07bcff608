import type { Call } from "../../shared/cli/command.ts";
import type { Setting } from "../../shared/config/field.ts";
import { ROLE_FIELDS, roleSettings, type ServiceRole } from "../../shared/config/role-settings.ts";
import { readSettingsFile } from "../../shared/edge/settings-file.ts";
import { Fault } from "../../shared/core/fault.ts";
import { optionText } from "../core/cli/option-values.ts";

/** The settings a role would start with here: its file, this environment, the defaults. Flags of a running process can't be seen. */
export interface RoleSetting extends Setting {
  readonly role: ServiceRole;
}

const ROLES: readonly ServiceRole[] = ["agent", "watchdog", "hub"];

export async function allSettings(call: Call, asked: string): Promise<readonly RoleSetting[]> {
  const roles = asked === "" ? ROLES : ROLES.filter((role) => role === asked);
  if (roles.length === 0)
    throw new Fault("bad_request", `Cannot show the settings of ${asked}: no such role`, { remedy: `One of ${Object.keys(ROLE_FIELDS).join(", ")}.` });
  const file = optionText(call, "config");
  if (file !== undefined && roles.length > 1)
    throw new Fault("bad_request", "Cannot read one file for three roles", { remedy: "Name the role: felhom config print hub --config FILE" });
  const argv = file === undefined ? [] : ["--config", file.startsWith("/") ? file : `${call.cwd}/${file}`];
  const all = await Promise.all(
    roles.map(async (role) =>
      (await roleSettings(role, { argv, env: call.env, files: call.world.files, readFile: readSettingsFile })).origins.map((setting) => ({ ...setting, role })),
    ),
  );
  return all.flat();
}
