/**
 * One hub, many boxes, one operator, in one process on virtual time, from one seed. They run the same `compose` as the real programs;
 * only the World beneath them is simulated. What is planted, broken or cut is decided outside of them.
 */
import { seededRng } from "../../edge/rng.ts";
import type { Rng } from "../../ports/rng.ts";
import type { World } from "../../ports/world.ts";
import type { View } from "../checkers/checker.ts";
import { Scheduler } from "../scheduler.ts";
import type { Programs } from "../sim-exec.ts";
import { SimMachine } from "../sim-machine.ts";
import { SimNetwork } from "../sim-net.ts";
import { DONE, type EffectKind, type Fate, type SimProcess } from "../sim-process.ts";
import { StateHash } from "../state-hash.ts";
import { SimWeather } from "../weather.ts";
import { withCounting } from "./counting-program.ts";
import { Middleman } from "./middleman.ts";
import { HUB_URL, SimOperator } from "./operator.ts";
import { felhomPrograms } from "./programs.ts";
import { SimBox } from "./sim-box.ts";
import { SimHub } from "./sim-hub.ts";
import { Truth } from "./truth.ts";

export interface ClusterOptions {
  readonly seed: string;
  readonly boxes: number;
  /** Every box admits itself by a grant; else every other one waits for the operator. */
  readonly grants?: "all" | "half";
  /** Planted bugs change what processes get to see, and which programs they start. */
  readonly adapt?: (machine: string, world: World, process: SimProcess) => World;
  readonly programs?: (real: Programs) => Programs;
}

/** Between two runs that somebody starts by hand the simulation would only burn time. */
const CONVERGE_INTERVAL_MS = 30 * 60_000;
const METRICS_INTERVAL_MS = 6 * 3_600_000;

const RECENT_EFFECTS = 500;

export class Cluster implements View {
  readonly scheduler = new Scheduler();
  readonly truth = new Truth();
  readonly hash = new StateHash();
  readonly rng: Rng;
  readonly network: SimNetwork;
  readonly weather: SimWeather;
  readonly middleman: Middleman;
  readonly hub: SimHub;
  readonly boxes: readonly SimBox[];
  readonly operator: SimOperator;
  /** Asked for the fate of every effect of every process. */
  fates: (machine: string, process: SimProcess, op: string, kind: EffectKind) => Fate = () => DONE;
  /** Machines that changed something in this turn. */
  readonly changed = new Set<string>();
  effects = 0;
  readonly #recent: string[] = [];

  constructor(options: ClusterOptions) {
    this.rng = seededRng(options.seed);
    this.network = new SimNetwork(this.scheduler);
    this.weather = new SimWeather(this.rng.fork("weather"));
    this.network.weather = this.weather.weather;
    this.middleman = new Middleman(this.scheduler, this.rng.fork("middleman"), this.truth, (name) =>
      this.boxes.find((box) => box.machine.name === name)?.databaseId(),
    );
    this.network.tamper = this.middleman.tamper;
    const programs = options.programs?.(felhomPrograms) ?? felhomPrograms;
    const machine = (name: string, address: string): SimMachine => {
      const made = new SimMachine({
        name,
        address,
        scheduler: this.scheduler,
        network: this.network,
        seed: options.seed,
        programs: withCounting(programs, (label) => this.truth.ops.began(name, label)),
        fates: (process, op, kind) => this.#fate(name, process, op, kind),
        ...(options.adapt === undefined ? {} : { adapt: (world, process) => options.adapt?.(name, world, process) ?? world }),
      });
      return made;
    };
    this.hub = new SimHub({ machine: machine("hub", "10.0.0.1"), scheduler: this.scheduler, rng: this.rng.fork("hub") });
    const operatorMachine = machine("operator", "10.0.0.2");
    this.boxes = Array.from({ length: options.boxes }, (_, at) => {
      const name = `box-${at + 1}`;
      const rng = this.rng.fork(name);
      return new SimBox({
        machine: machine(name, `10.1.${at >> 8}.${at & 255}`),
        scheduler: this.scheduler,
        rng,
        join: () => this.operator.joinCode(options.grants === "all" || at % 2 === 0),
        hubUrl: HUB_URL,
        settings: { convergeIntervalMs: CONVERGE_INTERVAL_MS, metricsIntervalMs: METRICS_INTERVAL_MS },
      });
    });
    this.operator = new SimOperator({
      machine: operatorMachine,
      rng: this.rng.fork("operator"),
      truth: this.truth,
      readSetupToken: () => this.hub.setupToken(),
      isKnownBox: (key) => this.boxes.some((box) => box.signingKey() === key),
    });
  }

  get nowMs(): number {
    return this.scheduler.nowMs;
  }

  /** Who made the last effects, for a report of a loop. */
  busiest(): string {
    const counts = new Map<string, number>();
    for (const name of this.#recent) counts.set(name, (counts.get(name) ?? 0) + 1);
    return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? "nobody";
  }

  #fate(machine: string, process: SimProcess, op: string, kind: EffectKind): Fate {
    this.effects += 1;
    this.#recent[this.effects % RECENT_EFFECTS] = `${process.name} ${op}`;
    this.hash.add(`${this.scheduler.nowMs} ${process.name} ${op} ${kind}`);
    if (kind !== "read" && kind !== "query" && kind !== "clock") this.changed.add(machine);
    return this.fates(machine, process, op, kind);
  }
}
