import type { Command, Option } from "../../shared/cli/command.ts";
import { flagOf } from "../../shared/config/field.ts";
import { ROLE_FIELDS, SETTINGS_FILE, type ServiceRole } from "../../shared/config/role-settings.ts";
import { Fault } from "../../shared/core/fault.ts";

/**
 * The long-running roles as commands, for help, completion and manuals only: `main.ts` starts them itself and never comes here. Their
 * options are their settings, from the one table.
 */
const ABOUT: Readonly<Record<ServiceRole, Pick<Command, "summary" | "examples">>> = {
  agent: {
    summary: "Keep this box as its operator wants it (runs until it is stopped)",
    examples: [{ run: "felhom agent", shows: "under a service manager; felhom status shows how it stands" }],
  },
  watchdog: {
    summary: "Watch the agent and restart it (runs until it is stopped)",
    examples: [{ run: "felhom watchdog", shows: "under a service manager, instead of felhom agent" }],
  },
  hub: {
    summary: "Serve a fleet; the first start makes keys and certificate and says what to do next (runs until it is stopped)",
    examples: [
      { run: "felhom hub --data-dir /srv/felhom", shows: "prints its pin and where the setup token is" },
      { run: "felhom hub --tls none --address 127.0.0.1 --trusted-proxies 127.0.0.1", shows: "behind a proxy on the same machine" },
    ],
  },
};

export function serviceCommands(role: ServiceRole): readonly Command[] {
  return [
    {
      path: [role],
      ...ABOUT[role],
      args: [],
      options: [
        { name: "config", value: "FILE", summary: `Read settings from this file instead of ${SETTINGS_FILE[role]}` },
        ...Object.entries(ROLE_FIELDS[role]).map(([key, field]) => settingOption(key, field)),
      ],
      mutates: false,
      load: () => Promise.reject(new Fault("bad_request", `Cannot start the ${role} here`, { remedy: `felhom ${role}, as the first word` })),
    },
  ];
}

function settingOption(key: string, field: { readonly default: unknown; readonly help: string }): Option {
  const { default: initial, help } = field;
  const value = typeof initial === "boolean" ? {} : { value: typeof initial === "number" ? "N" : Array.isArray(initial) ? "LIST" : "VALUE" };
  const shown = initial === "" || (Array.isArray(initial) && initial.length === 0) || typeof initial === "boolean" ? {} : { default: String(initial) };
  return { name: flagOf(key).slice(2), ...value, ...shown, summary: help.replace(/\.$/, "") };
}
