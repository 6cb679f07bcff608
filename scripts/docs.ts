import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AGENT_TABLES } from "../agent/tables.ts";
import { compose as composeAgent } from "../agent/mode.ts";
import { AGENT_DEFAULTS } from "../agent/settings.ts";
import { compose as composeWatchdog } from "../agent/watchdog/mode.ts";
import { apiReference } from "../hub/edge/http/api-reference.ts";
import { openApiDocument } from "../hub/edge/http/openapi.ts";
import { compose as composeHub } from "../hub/mode.ts";
import { HUB_DEFAULTS } from "../hub/settings.ts";
import { HUB_TABLES } from "../hub/tables.ts";
import { commandPage } from "../operator/core/docs/command-page.ts";
import { codesPage } from "../operator/core/docs/exit-codes.ts";
import { allCommands, joinedTables } from "../operator/run.ts";
import { settingsReference } from "../shared/config/settings-reference.ts";
import type { Metric } from "../shared/core/metrics.ts";
import type { Service } from "../shared/service.ts";
import { testHub } from "../shared/sim/test-hub.ts";
import { testWorld, type TestWorld } from "../shared/sim/test-world.ts";
import { opsReference } from "../shared/ops/ops-reference.ts";
import { resourceReference } from "../shared/states/resource-reference.ts";
import { supervise } from "../shared/supervise.ts";
import { REFUSALS } from "../shared/trust/verdict.ts";
import { VERSION } from "../shared/version.ts";

/**
 * Writes docs/reference from the code: `scripts/docs`. With --check it writes nothing and exits 1 when a page is not what the code says.
 */

const folder = join(import.meta.dir, "..", "docs", "reference");
const MADE = "<!-- Made by scripts/docs. Edit the code, not this page. -->\n\n";

const pages: Readonly<Record<string, string>> = {
  "api.md": await api(),
  "cli.md": commandPage(await allCommands(joinedTables({ ...AGENT_TABLES, ...HUB_TABLES }))),
  "codes.md": codesPage(),
  "metrics.md": await metrics(),
  "ops.md": opsReference(),
  "refusals.md": refusals(),
  "resources.md": resourceReference(),
  "settings.md": settingsReference(),
};

if (process.argv.includes("--check")) {
  const drifted = Object.entries(pages).filter(([name, text]) => read(join(folder, name)) !== MADE + text);
  for (const [name] of drifted) process.stdout.write(`docs/reference/${name} is not what the code says: run scripts/docs\n`);
  process.exit(drifted.length === 0 ? 0 : 1);
}
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(pages)) writeFileSync(join(folder, name), MADE + text);
process.stdout.write(`${Object.keys(pages).length} pages written to docs/reference\n`);
process.exit(0);

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

async function api(): Promise<string> {
  using hub = await testHub();
  return apiReference(openApiDocument(hub.routes, VERSION));
}

function refusals(): string {
  const rows = Object.entries(REFUSALS).map(([code, means]) => `| \`${code}\` | ${means} |`);
  return `# Refusal codes\n\nWhy something signed was refused. Each check has its own code; boxes report them, the CLI and the hub print them.\n\n| code | meaning |\n| --- | --- |\n${rows.join("\n")}\n`;
}

/** What each role exports on /metrics, from the running services themselves. */
async function metrics(): Promise<string> {
  const parts: string[] = [];
  for (const [role, where, make] of [
    [
      "felhom hub",
      "`GET /metrics` on its listener",
      (world: TestWorld) =>
        composeHub({ ...HUB_DEFAULTS, dataDir: `${world.dir}/hub`, listen: { address: "127.0.0.1", port: 0 }, tls: { use: "none" } }, world),
    ],
    [
      "felhom agent",
      "`GET /metrics` on its local socket",
      (world: TestWorld) => composeAgent({ ...AGENT_DEFAULTS, dataDir: `${world.dir}/box`, socketPath: `${world.dir}/agent.sock` }, world),
    ],
    [
      "felhom watchdog",
      "`felhom status`",
      (world: TestWorld) => composeWatchdog({ dataDir: `${world.dir}/box`, socketPath: `${world.dir}/agent.sock` }, world),
    ],
  ] as const) {
    using world = testWorld();
    const rows = (await metricsOf(make(world), world)).map(({ name, type, help }) => `| \`${name}\` | ${type} | ${help} |`);
    if (rows.length > 0) parts.push(`## ${role}\n\n${where}\n\n| name | type | meaning |\n| --- | --- | --- |\n${[...new Set(rows)].sort().join("\n")}\n`);
  }
  return `# Metrics\n\nPrometheus text format. Names have base units; counters end in \`_total\`. Host names and ids are never labels.\n\n${parts.join("\n")}`;
}

async function metricsOf(services: readonly Service[], world: TestWorld): Promise<readonly Metric[]> {
  const stop = new AbortController();
  const ended = supervise(services, world, stop.signal);
  for (let turns = 0; turns < 200; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
  const found = services.flatMap((service) => service.metrics());
  stop.abort();
  await world.clock.advance(60_000);
  await ended;
  return found;
}
