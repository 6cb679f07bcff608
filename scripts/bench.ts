import { existsSync } from "node:fs";
import { admitOps } from "./benches/admit-ops.ts";
import { agentIdleRss } from "./benches/agent-idle-rss.ts";
import type { Bench } from "./benches/bench.ts";
import { cliStart } from "./benches/cli-start.ts";
import { hubActiveJobsScan } from "./benches/hub-active-jobs-scan.ts";
import { hubHeldRss } from "./benches/hub-held-rss.ts";
import { hubStorm10000 } from "./benches/hub-storm.ts";
import { hubSyncIdle } from "./benches/hub-sync-idle.ts";
import { jobFanout1000 } from "./benches/job-fanout.ts";
import { jobDurableReturns } from "./benches/job-durable-returns.ts";
import { localNoop } from "./benches/local-noop.ts";
import { opRttNats } from "./benches/op-rtt-nats.ts";
import { opRttSync } from "./benches/op-rtt-sync.ts";
import { publish1000Hosts } from "./benches/publish-1000-hosts.ts";
import { BINARY } from "./fleet/real-fleet.ts";

/**
 * Measures what the project promises, each number as a ratio against a floor taken in the same run.
 * `scripts/bench [NAME …] [--json] [--check]`: with --json one object a line; with --check it exits 1 when a target is missed.
 */

const BENCHES: Readonly<Record<string, () => Promise<readonly Bench[]>>> = {
  "cli.start": cliStart,
  "local.noop_1000_files": localNoop,
  "agent.idle_rss": agentIdleRss,
  "admit.ops": admitOps,
  "hub.sync_idle": hubSyncIdle,
  "hub.held_rss": hubHeldRss,
  "hub.storm_10000": hubStorm10000,
  "hub.active_jobs_scan": hubActiveJobsScan,
  "job.durable_returns": jobDurableReturns,
  "job.fanout_1000": jobFanout1000,
  "op.rtt_nats": opRttNats,
  "op.rtt_sync": opRttSync,
  "publish.1000_hosts": publish1000Hosts,
};

const words = process.argv.slice(2);
const asked = words.filter((word) => !word.startsWith("--"));
const unknown = asked.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  process.stderr.write(`Cannot run unknown bench: ${unknown.join(", ")}. Benches: ${Object.keys(BENCHES).join(", ")}\n`);
  process.exit(2);
}
if (!existsSync(BINARY)) Bun.spawnSync([process.execPath, `${import.meta.dir}/../build/build.ts`], { stdout: "ignore", stderr: "inherit" });

let missed = 0;
for (const [name, run] of Object.entries(BENCHES)) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  for (const bench of await run()) {
    if (isMissed(bench)) missed++;
    process.stdout.write(words.includes("--json") ? `${json(bench)}\n` : `${line(bench)}\n`);
  }
}
process.exit(words.includes("--check") && missed > 0 ? 1 : 0);

function isMissed({ ratio, mustReach }: Bench): boolean {
  if (mustReach === undefined || ratio === null) return false;
  return mustReach.at === "most" ? ratio > mustReach.ratio : ratio < mustReach.ratio;
}

function json({ bench, value, unit, floor, floorName, ratio, note }: Bench): string {
  return JSON.stringify({ bench, value, unit, floor, floor_name: floorName, ratio, ...(note === undefined ? {} : { note }) });
}

function line(bench: Bench): string {
  const target = bench.mustReach === undefined ? "reported" : `${bench.mustReach.at === "most" ? "≤" : "≥"} ${bench.mustReach.ratio}`;
  const verdict = bench.ratio === null ? "–" : isMissed(bench) ? "MISSED" : "ok";
  return `${bench.bench.padEnd(24)} ${number(bench.value)} ${bench.unit.padEnd(4)} floor ${bench.floor === null ? "–" : number(bench.floor)} (${bench.floorName})  ratio ${bench.ratio?.toFixed(2) ?? "–"}  target ${target}  ${verdict}${bench.note === undefined ? "" : `  ${bench.note}`}`;
}

function number(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3);
}
