import type { Files } from "../ports/files.ts";
import { type Fields, type SettingsOf, variableOf, type Setting } from "./field.ts";
import { loadSettings } from "./load-settings.ts";
import { agentFields, hubFields, watchdogFields } from "./settings.ts";

/** The settings of a long-lived role from all their layers. `--config FILE` (or FELHOM_CONFIG) names the file; otherwise the role's usual one, when it exists. */
export const ROLE_FIELDS = { agent: agentFields, hub: hubFields, watchdog: watchdogFields } as const;
export type ServiceRole = keyof typeof ROLE_FIELDS;
export const SETTINGS_FILE: Readonly<Record<ServiceRole, string>> = {
  agent: "/etc/felhom/agent.yaml",
  hub: "/etc/felhom/hub.yaml",
  watchdog: "/etc/felhom/watchdog.yaml",
};

export type ReadFile = (
  files: Files,
  path: string,
  required: boolean,
) => Promise<{ readonly path: string; readonly values: unknown; readonly lineOf: (key: string) => number | undefined } | undefined>;

export interface RoleSettings<R extends ServiceRole> {
  readonly flat: SettingsOf<(typeof ROLE_FIELDS)[R]>;
  readonly origins: readonly Setting[];
}

export async function roleSettings<R extends ServiceRole>(
  role: R,
  given: { readonly argv: readonly string[]; readonly env: Readonly<Record<string, string | undefined>>; readonly files: Files; readonly readFile: ReadFile },
): Promise<RoleSettings<R>> {
  const { argv, path } = configFlag(given.argv);
  const named = path ?? given.env[variableOf("config")];
  const file = await given.readFile(given.files, named ?? SETTINGS_FILE[role], named !== undefined);
  const loaded = loadSettings(ROLE_FIELDS[role] as Fields, { argv, env: given.env, ...(file === undefined ? {} : { file }) });
  return { flat: loaded.settings as SettingsOf<(typeof ROLE_FIELDS)[R]>, origins: loaded.origins };
}

function configFlag(argv: readonly string[]): { readonly argv: readonly string[]; readonly path: string | undefined } {
  const at = argv.findIndex((word) => word === "--config" || word.startsWith("--config="));
  if (at < 0) return { argv, path: undefined };
  const word = argv[at] ?? "";
  const inline = word.startsWith("--config=");
  return { argv: argv.toSpliced(at, inline ? 1 : 2), path: inline ? word.slice("--config=".length) : argv[at + 1] };
}
