import type { Command } from "../shared/cli/command.ts";

/** Noun → its table, loaded only when that noun is typed. `main.ts` adds the tables of the other roles, which never import each other. */
export interface Table {
  readonly commands: readonly Command[];
}
export type Tables = Readonly<Record<string, () => Promise<Table>>>;

export const OPERATOR_TABLES: Tables = {
  agent: async () => ({ commands: (await import("./table/services.ts")).serviceCommands("agent") }),
  audit: () => import("./table/audit.ts"),
  bundle: () => import("./table/bundle.ts"),
  check: () => import("./table/check.ts"),
  completion: () => import("./table/completion.ts"),
  config: () => import("./table/config.ts"),
  context: () => import("./table/context.ts"),
  doctor: () => import("./table/doctor.ts"),
  event: () => import("./table/event.ts"),
  grant: () => import("./table/grant.ts"),
  host: () => import("./table/host.ts"),
  hub: async () => ({ commands: (await import("./table/services.ts")).serviceCommands("hub") }),
  init: () => import("./table/init.ts"),
  job: () => import("./table/job.ts"),
  "join-code": () => import("./table/join-code.ts"),
  key: () => import("./table/key.ts"),
  login: () => import("./table/login.ts"),
  man: () => import("./table/man.ts"),
  op: () => import("./table/op.ts"),
  plan: () => import("./table/plan.ts"),
  publish: () => import("./table/publish.ts"),
  run: () => import("./table/run.ts"),
  secret: () => import("./table/secret.ts"),
  sign: () => import("./table/sign.ts"),
  status: () => import("./table/status.ts"),
  trust: () => import("./table/trust.ts"),
  version: () => import("./table/version.ts"),
  watchdog: async () => ({ commands: (await import("./table/services.ts")).serviceCommands("watchdog") }),
};
