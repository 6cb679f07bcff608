import type { Command } from "../shared/cli/command.ts";

/** Noun → its table, loaded only when that noun is typed. `main.ts` adds the tables of the other roles, which never import each other. */
export interface Table {
  readonly commands: readonly Command[];
}
export type Tables = Readonly<Record<string, () => Promise<Table>>>;

export const OPERATOR_TABLES: Tables = {
};
