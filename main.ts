import { homedir } from "node:os";
import { asksVersion, versionLine } from "./operator/version-line.ts";
import type { RoleSettings, ServiceRole } from "./shared/config/role-settings.ts";
import { explain, isFault } from "./shared/core/fault.ts";
import { roleOf } from "./shared/core/role.ts";
import { realSelf } from "./shared/edge/real-self.ts";
import type { World } from "./shared/ports/world.ts";
import type { Service } from "./shared/service.ts";

/** argv → role → settings → world → services → exit code. The only file that ends the process; every role is loaded only when it is the one. */

const self = realSelf(import.meta.path);
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
process.on("SIGINT", () => (stop.signal.aborted ? process.exit(130) : stop.abort()));

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`felhom: ${explain(error)}\n`);
    process.exit(isFault(error) ? error.exit : 1);
  },
);

async function main(): Promise<number> {
  const role = roleOf(process.argv0, process.argv.slice(2));
  switch (role.is) {
    case "render": {
      const { runRender } = await import("./agent/render.ts");
      (await import("./shared/edge/become-nobody.ts")).becomeNobody();
      return (await import("./shared/edge/answer-stdin.ts")).answerStdin(runRender);
    }
    case "agent-worker": {
      const { runWorker } = await import("./agent/worker.ts");
      const world = await worldFor("worker", { logFormat: "json", logLevel: "info" });
      return (await import("./shared/edge/answer-stdin.ts")).answerStdin((request) => runWorker(request, world, stop.signal));
    }
    case "agent":
    case "hub":
    case "watchdog":
      return serve(role.is, role.argv);
    case "command":
      return command(role.argv);
  }
}

async function command(argv: readonly string[]): Promise<number> {
  if (asksVersion(argv)) {
    // Not process.stdout: making that stream costs as much as all the rest of this command.
    console.log(versionLine());
    return 0;
  }
  const { runCommand } = await import("./operator/mode.ts");
  const { realTerminal } = await import("./shared/edge/terminal.ts");
  const terminal = realTerminal({ env: process.env, interrupted: stop.signal });
  const world = await worldFor("cli", { logFormat: "text", logLevel: "warn" });
  const { AGENT_TABLES } = await import("./agent/tables.ts");
  const { HUB_TABLES } = await import("./hub/tables.ts");
  return runCommand({ argv, env: process.env, cwd: process.cwd(), terminal, world, tables: { ...AGENT_TABLES, ...HUB_TABLES } });
}

/** A converge run may end at its next resource: agent below watchdog below the unit's TimeoutStopSec. */
const STOP_MS: Readonly<Record<ServiceRole, number>> = { hub: 10_000, agent: 90_000, watchdog: 105_000 };
const SERVICES: { readonly [R in ServiceRole]: (flat: RoleSettings<R>["flat"], world: World) => Promise<readonly Service[]> } = {
  agent: async (flat, world) =>
    (await import("./agent/mode.ts")).compose((await import("./agent/settings.ts")).agentSettingsFrom(flat, self, homedir()), world),
  hub: async (flat, world) => (await import("./hub/mode.ts")).compose((await import("./hub/settings.ts")).hubSettingsFrom(flat, self, homedir()), world),
  watchdog: async (flat, world) =>
    (await import("./agent/watchdog/mode.ts")).compose((await import("./agent/settings.ts")).agentPaths(flat, self, homedir()), world),
};

async function serve<R extends ServiceRole>(role: R, argv: readonly string[]): Promise<number> {
  const { roleSettings } = await import("./shared/config/role-settings.ts");
  const { readSettingsFile } = await import("./shared/edge/settings-file.ts");
  const { realFiles } = await import("./shared/edge/files.ts");
  const { supervise } = await import("./shared/supervise.ts");
  const { flat } = await roleSettings(role, { argv, env: process.env, files: realFiles, readFile: readSettingsFile });
  const world = await worldFor(role, flat);
  const ended = await supervise(await SERVICES[role](flat, world), world, stop.signal, STOP_MS[role]);
  return ended.because === "stopped" ? 0 : isFault(ended.error) ? ended.error.exit : 1;
}

async function worldFor(component: string, log: Pick<RoleSettings<ServiceRole>["flat"], "logFormat" | "logLevel">): Promise<World> {
  const { realWorld } = await import("./shared/edge/real-world.ts");
  const format = log.logFormat === "auto" ? (process.stderr.isTTY ? "text" : "json") : log.logFormat;
  return realWorld({ log: { format, level: log.logLevel, sink: (line) => void process.stderr.write(`${line}\n`) }, component, self });
}
