import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Bench, median } from "./bench.ts";
import { type BenchHost, benchSync, makeHubFixture } from "./hub-fixture.ts";
import { type BenchServer, cpuSeconds, startBenchServer, withDir } from "./hub-server.ts";

/**
 * Authenticated syncs a second with nothing new, on one core, against bare Bun.serve that answers the same bytes and reads nothing.
 * 64 connections, each a host of its own, one wrk thread on the other core; rounds alternate so that a drifting machine hits both.
 * A second is one of the server's own CPU: what neighbours on the same core take away is not counted against either.
 */
const HOSTS = 64;
const ROUNDS = 7;
const SECONDS = 2;

export async function hubSyncIdle(): Promise<Bench[]> {
  const wrk = Bun.which("wrk");
  if (wrk === null)
    return [
      {
        bench: "hub.sync_idle",
        value: Number.NaN,
        unit: "1/s",
        floor: null,
        floorName: "bare Bun.serve",
        ratio: null,
        note: "wrk is not installed (apt install wrk)",
      },
    ];
  return withDir(async (dir) => {
    const hosts = await makeHubFixture(dir, HOSTS);
    writeFileSync(join(dir, "sync.lua"), luaOf(hosts));
    const hub = await startBenchServer("unpaced", dir, "0");
    const bare = await startBenchServer("bare", "0", "answer");
    try {
      const [values, floors]: [number[], number[]] = [[], []];
      await perSecond(wrk, hub, dir, 1);
      await perSecond(wrk, bare, dir, 1);
      for (let round = 0; round < ROUNDS; round += 1) {
        values.push(await perSecond(wrk, hub, dir, SECONDS));
        floors.push(await perSecond(wrk, bare, dir, SECONDS));
      }
      const [value, floor] = [median(values), median(floors)];
      return [
        {
          bench: "hub.sync_idle",
          value,
          unit: "1/s",
          floor,
          floorName: "bare Bun.serve answering the same bytes",
          ratio: value / floor,
          mustReach: { at: "least", ratio: 0.4 },
        },
      ];
    } finally {
      await hub.stop();
      await bare.stop();
    }
  });
}

/** Requests are put together once, before the run; each then costs wrk a table look-up. */
function luaOf(hosts: readonly BenchHost[]): string {
  const requests = hosts.map(
    (host) =>
      `wrk.format("POST", "/agent/v1/sync", { ["authorization"] = "Bearer ${host.credential}", ["content-type"] = "application/json" }, '${benchSync(host, 0)}')`,
  );
  return `local requests\nlocal at = 0\ninit = function()\n  requests = {\n    ${requests.join(",\n    ")}\n  }\nend\nrequest = function()\n  at = at % ${hosts.length} + 1\n  return requests[at]\nend\n`;
}

async function perSecond(wrk: string, server: BenchServer, dir: string, seconds: number): Promise<number> {
  const before = await cpuSeconds(server.pid);
  const run = Bun.spawn(["taskset", "-c", "1", wrk, "-t1", "-c64", `-d${seconds}s`, "-s", join(dir, "sync.lua"), `http://127.0.0.1:${server.port}`], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const text = await new Response(run.stdout).text();
  if (/Non-2xx|Socket errors/.test(text)) throw new Error(`wrk met errors:\n${text}`);
  return Number(/(\d+) requests in/.exec(text)?.[1] ?? Number.NaN) / ((await cpuSeconds(server.pid)) - before);
}
