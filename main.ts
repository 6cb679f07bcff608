import { homedir } from "node:os";
import type { ServiceRole } from "./shared/config/role-settings.ts";
import { flatten, isFault } from "./shared/core/fault.ts";
import { roleOf } from "./shared/core/role.ts";
import type { Self } from "./shared/ports/self.ts";
import type { Service } from "./shared/service.ts";
import { VERSION } from "./shared/version.ts";

/** argv → role → settings → world → services → exit code. The only file that reads or ends the process; every role is loaded only when it is the one. */

const isCompiled = import.meta.path.startsWith("/$bunfs/");
const self: Self = {
  exe: isCompiled ? [process.execPath] : [process.execPath, import.meta.path],
  pid: process.pid,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
  version: VERSION,
  rssBytes: () => process.memoryUsage.rss(),
};
const stop = new AbortController();
process.on("SIGTERM", () => stop.abort());
process.on("SIGINT", () => (stop.signal.aborted ? process.exit(130) : stop.abort()));

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(
      `felhom: ${isFault(error) ? `${error.message}\n  code ${error.code}${error.remedy === undefined ? "" : `\n  next ${error.remedy}`}` : flatten(error)}\n`,
    );
    process.exit(isFault(error) ? error.exit : 1);
  },
);

async function main(): Promise<number> {
  const role = roleOf(process.argv0, process.argv.slice(2));
  switch (role.is) {
    case "render":
      return answer((await import("./agent/render.ts")).runRender);
    case "agent-worker": {
      const { runWorker } = await import("./agent/worker.ts");
      const world = await worldFor("worker", { logFormat: "json", logLevel: "info" });
      return answer((request) => runWorker(request, world));
    }
    case "agent":
    case "hub":
    case "watchdog":
      return serve(role.is, role.argv);
    case "command": {
      const { runCommand } = await import("./operator/mode.ts");
      const { realTerminal } = await import("./shared/edge/terminal.ts");
      const terminal = realTerminal({ env: process.env, interrupted: stop.signal });
      const world = await worldFor("cli", { logFormat: "text", logLevel: "warn" });
      const { AGENT_TABLES } = await import("./agent/tables.ts");
      const { HUB_TABLES } = await import("./hub/tables.ts");
      return runCommand({ argv: role.argv, env: process.env, cwd: process.cwd(), terminal, world, tables: { ...AGENT_TABLES, ...HUB_TABLES } });
    }
  }
}

async function serve(role: ServiceRole, argv: readonly string[]): Promise<number> {
  const [{ roleSettings }, { readSettingsFile }, { realFiles }, { supervise }] = await Promise.all([
    import("./shared/config/role-settings.ts"),
    import("./shared/edge/settings-file.ts"),
    import("./shared/edge/files.ts"),
    import("./shared/supervise.ts"),
  ]);
  const given = { argv, env: process.env, files: realFiles, readFile: readSettingsFile };
  const ended = await supervise(...(await compose(role, given)), stop.signal);
  return ended.because === "stopped" ? 0 : isFault(ended.error) ? ended.error.exit : 1;

  async function compose(which: ServiceRole, from: typeof given): Promise<[readonly Service[], Awaited<ReturnType<typeof worldFor>>]> {
    switch (which) {
      case "agent": {
        const [{ compose: services }, { agentSettingsFrom }, { flat }] = await Promise.all([
          import("./agent/mode.ts"),
          import("./agent/settings.ts"),
          roleSettings("agent", from),
        ]);
        const world = await worldFor(which, flat);
        return [services(agentSettingsFrom(flat, self, homedir()), world), world];
      }
      case "hub": {
        const [{ compose: services }, { hubSettingsFrom }, { flat }] = await Promise.all([
          import("./hub/mode.ts"),
          import("./hub/settings.ts"),
          roleSettings("hub", from),
        ]);
        const world = await worldFor(which, flat);
        return [services(hubSettingsFrom(flat, self, homedir()), world), world];
      }
      case "watchdog": {
        const [{ compose: services }, { agentPaths }, { flat }] = await Promise.all([
          import("./agent/watchdog/mode.ts"),
          import("./agent/settings.ts"),
          roleSettings("watchdog", from),
        ]);
        const world = await worldFor(which, flat);
        return [services(agentPaths(flat, self, homedir()), world), world];
      }
    }
  }
}

async function worldFor(component: string, log: { readonly logFormat: "auto" | "json" | "text"; readonly logLevel: "debug" | "info" | "warn" | "error" }) {
  const { realWorld } = await import("./shared/edge/real-world.ts");
  const format = log.logFormat === "auto" ? (process.stderr.isTTY ? "text" : "json") : log.logFormat;
  return realWorld({ log: { format, level: log.logLevel, sink: (line) => void process.stderr.write(`${line}\n`) }, component, self });
}

/** A short-lived child of ours: one request on stdin, one answer on stdout. */
async function answer(run: (request: Uint8Array) => Promise<Uint8Array>): Promise<number> {
  await Bun.write(Bun.stdout, await run(new Uint8Array(await Bun.stdin.arrayBuffer())));
  return 0;
}
