import type { Command } from "../shared/cli/command.ts";

/** Nouns of the hub machine’s own commands; each table is loaded only when its noun is typed. */
export const HUB_TABLES: Readonly<Record<string, () => Promise<{ readonly commands: readonly Command[] }>>> = {
  hub: () => import("./table/hub.ts"),
};
