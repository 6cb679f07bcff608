/**
 * The simulator from the command line: many seeds, each run twice. `scripts/sim --seeds 50 --from 1` prints one line per seed and a
 * summary; `--json` prints the summary as JSON. A failure names the one command that replays it. Exit code 1 when anything was
 * violated or a seed did not repeat itself.
 */
import { parseArgs } from "node:util";
import { crashRun } from "../shared/sim/crash-run.ts";
import { type Simulated, simulate, type SimulateOptions } from "../shared/sim/simulate.ts";
import { warmUp } from "../shared/sim/warm-up.ts";
import { BUGS } from "../shared/sim/bugs/bugs.ts";

interface Failure {
  readonly seed: string;
  readonly checker: string;
  readonly text: string;
  readonly replay: string;
}

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "20" },
    from: { type: "string", default: "1" },
    hours: { type: "string", default: "6" },
    boxes: { type: "string", default: "3" },
    ops: { type: "string", default: "12" },
    hostile: { type: "boolean", default: false },
    bug: { type: "string" },
    seconds: { type: "string" },
    once: { type: "boolean", default: false },
    crashes: { type: "string" },
    json: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

const HELP = `Usage: scripts/sim [--seeds N] [--from S] [--hours H] [--boxes B] [--ops N] [--hostile] [--bug NAME] [--seconds S] [--once] [--json]
       scripts/sim --crashes STEP [--from N]

One hub, B boxes and an operator on simulated machines, from each of N seeds; H virtual hours under faults, then everything
has to settle. Each seed runs twice and must end in the same state (--once: once). --ops: signed in each virtual hour, for one
box or all. --hostile: the hub lies all the time. --seconds stops starting seeds after
that time and counts how many ran. --crashes kills a box, then the hub, at every STEP-th effect of its first minutes,
process and power in turn. --bug plants one of:
${BUGS.map(({ name, what }) => `  ${name.padEnd(28)} ${what}`).join("\n")}
`;

/** How many effects the first minutes take: enrolling, adopting, staging, converging, reporting. */
const CRASH_EFFECTS = { "box-1": 1_600, hub: 900 } as const;

async function main(): Promise<number> {
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const bug = values.bug === undefined ? undefined : BUGS.find(({ name }) => name === values.bug);
  if (values.bug !== undefined && bug === undefined) {
    process.stderr.write(`There is no planted bug ${values.bug}. See scripts/sim --help\n`);
    return 2;
  }
  await warmUp();
  const failures: Failure[] = [];
  const runs: Simulated[] = [];
  const startedMs = performance.now();
  if (values.crashes !== undefined) {
    const step = Math.max(1, Number(values.crashes));
    for (const machine of ["box-1", "hub"] as const) {
      for (let nth = Number(values.from); nth <= CRASH_EFFECTS[machine]; nth += step) {
        const how = nth % 2 === 0 ? "process dies" : "power fails";
        const run = await crashRun({ machine, nth, how, when: nth % 4 < 2 ? "dies before" : "dies after" });
        runs.push(run);
        for (const { checker, text } of run.violations)
          failures.push({ seed: `${machine} ${nth}`, checker, text, replay: `scripts/sim --crashes 100000 --from ${nth}` });
      }
    }
    report(runs.length, runs, failures, (performance.now() - startedMs) / 1_000);
    return failures.length === 0 ? 0 : 1;
  }
  const secondsMax = values.seconds === undefined ? Number.POSITIVE_INFINITY : Number(values.seconds);
  const seedsMax = values.seconds === undefined ? Number(values.seeds) : Number.POSITIVE_INFINITY;
  const hostile: Partial<SimulateOptions> = values.hostile
    ? {
        drive: ({ middleman }) => {
          middleman.hostility = 0.6;
        },
      }
    : {};
  let ran = 0;
  for (let at = 0; at < seedsMax && (performance.now() - startedMs) / 1_000 < secondsMax; at += 1) {
    ran += 1;
    const seed = String(Number(values.from) + at);
    const options = { seed, hours: Number(values.hours), boxes: Number(values.boxes), opsPerHour: Number(values.ops), ...hostile, ...bug?.plant() };
    const first = await simulate(options);
    runs.push(first);
    const replay = `scripts/sim --seeds 1 --from ${seed} --hours ${values.hours} --boxes ${values.boxes} --ops ${values.ops}${values.hostile ? " --hostile" : ""}${bug === undefined ? "" : ` --bug ${bug.name}`}`;
    for (const { checker, text, atMs } of first.violations)
      failures.push({ seed, checker, text: `${text} (after ${(atMs / 3_600_000).toFixed(2)} virtual hours)`, replay });
    if (!values.once) {
      const second = await simulate({ ...options, ...bug?.plant() });
      runs.push(second);
      if (second.hash !== first.hash) failures.push({ seed, checker: "same-seed-same-run", text: `${first.hash} and then ${second.hash}`, replay });
    }
    if (!values.json)
      process.stdout.write(
        `seed ${seed} ${first.hash} ${first.violations.length === 0 ? "ok" : "VIOLATED"} settled ${first.settledAfterMs === undefined ? "never" : `in ${Math.round(first.settledAfterMs / 60_000)} min`}\n`,
      );
  }
  report(ran, runs, failures, (performance.now() - startedMs) / 1_000);
  return failures.length === 0 ? 0 : 1;
}

function report(seeds: number, runs: readonly Simulated[], failures: readonly Failure[], seconds: number): void {
  const sum = (of: (run: Simulated) => number): number => runs.reduce((total, run) => total + of(run), 0);
  const faults: Record<string, number> = {};
  for (const run of runs) for (const [name, count] of Object.entries(run.faults)) faults[name] = (faults[name] ?? 0) + count;
  const summary = {
    seeds,
    runs: runs.length,
    agent_days: Number(sum((run) => run.agentDays).toFixed(2)),
    turns: sum((run) => run.turns),
    effects: sum((run) => run.effects),
    requests: sum((run) => run.requests),
    ops_signed: sum((run) => run.ops.signed),
    ops_executed: sum((run) => run.ops.executed),
    ops_answered: sum((run) => run.ops.answered),
    faults_injected: Object.values(faults).reduce((total, count) => total + count, 0),
    faults,
    seconds: Number(seconds.toFixed(1)),
    events_per_second: Math.round((sum((run) => run.turns) + sum((run) => run.effects)) / seconds),
    agent_days_per_second: Number((sum((run) => run.agentDays) / seconds).toFixed(3)),
    violations: failures,
  };
  if (values.json) {
    process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`);
    return;
  }
  process.stdout.write(
    `\n${summary.seeds} seeds, ${summary.agent_days} agent-days, ${summary.turns} turns, ${summary.effects} effects, ${summary.faults_injected} faults injected, ${summary.ops_signed} ops signed, run ${summary.ops_executed} times and answered ${summary.ops_answered} times, ${summary.seconds} s, ${summary.events_per_second} events/s\n`,
  );
  for (const { seed, checker, text, replay } of failures) process.stdout.write(`\nseed ${seed} violated ${checker}: ${text}\n  replay: ${replay}\n`);
  if (failures.length === 0) process.stdout.write("nothing was violated\n");
}

// A dead process of the simulation may leave a promise rejected that nobody waits for any more: that is what dying means.
process.on("unhandledRejection", (error) => {
  if (error instanceof Error && error.name === "ProcessDied") return;
  process.stderr.write(`unhandled: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
});

process.exitCode = (await main()) || process.exitCode || 0;
