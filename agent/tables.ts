import type { Command } from "../shared/cli/command.ts";

/** Nouns of the box's own commands; each table is loaded only when its noun is typed. */
export const AGENT_TABLES: Readonly<Record<string, () => Promise<{ readonly commands: readonly Command[] }>>> = {};
