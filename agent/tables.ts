import type { Command } from "../shared/cli/command.ts";

/** Nouns of the box's own commands; each table is loaded only when its noun is typed. */
export const AGENT_TABLES: Readonly<Record<string, () => Promise<{ readonly commands: readonly Command[] }>>> = {
  converge: () => import("./table/converge.ts"),
  doctor: () => import("./table/doctor.ts"),
  enroll: () => import("./table/enroll.ts"),
  facts: () => import("./table/facts.ts"),
  local: () => import("./table/local.ts"),
  op: () => import("./table/op.ts"),
  status: () => import("./table/status.ts"),
};
