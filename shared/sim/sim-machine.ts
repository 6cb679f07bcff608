/**
 * A machine: a disk, a clock, a place in the network, and the processes that run on it. It can be killed program by program or
 * lose its power; what survives is what its disk held.
 */
import { seededRng } from "../edge/rng.ts";
import type { Rng } from "../ports/rng.ts";
import type { World } from "../ports/world.ts";
import { capturedLog, type LogLine } from "./captured-log.ts";
import { noBuses } from "./no-buses.ts";
import { rngCrypto } from "./rng-crypto.ts";
import type { Scheduler } from "./scheduler.ts";
import { SimClock } from "./sim-clock.ts";
import { simDatabases } from "./sim-databases.ts";
import { SimDisk } from "./sim-disk.ts";
import { type Programs, simExec } from "./sim-exec.ts";
import { type SimLocks, simFiles } from "./sim-files.ts";
import type { Place, SimNetwork } from "./sim-net.ts";
import { DONE, type Fates, SimProcess } from "./sim-process.ts";

export interface MachineOptions extends Place {
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly seed: string;
  readonly programs?: Programs;
  readonly fates?: Fates;
  /** Changes the World that a process gets; planted bugs come in here. */
  readonly adapt?: (world: World, process: SimProcess) => World;
}

const LOG_LINES_MAX = 2_000;

export class SimMachine {
  readonly name: string;
  readonly address: string;
  readonly disk: SimDisk;
  readonly logged: LogLine[] = [];
  /** Whether what a dying process had started lives on. */
  orphansLive: () => boolean = () => false;
  fates: Fates;
  readonly #options: MachineOptions;
  readonly #clock: SimClock;
  readonly #rng: Rng;
  readonly #locks: SimLocks = new Map();
  readonly #processes = new Set<SimProcess>();
  #nextPid = 100;

  constructor(options: MachineOptions) {
    this.name = options.name;
    this.address = options.address;
    this.#options = options;
    this.fates = options.fates ?? (() => DONE);
    this.#clock = new SimClock(options.scheduler);
    this.#rng = seededRng(`${options.seed}/${options.name}`);
    this.disk = new SimDisk(() => this.#clock.wallMs());
  }

  get processes(): readonly SimProcess[] {
    return [...this.#processes];
  }

  wallMs(): number {
    return this.#clock.wallMs();
  }

  jumpWall(byMs: number): void {
    this.#clock.jumpWall(byMs);
  }

  /** Starts a program; the caller runs it with the World it gets. */
  start(name: string): { readonly process: SimProcess; readonly world: World } {
    const pid = this.#nextPid;
    this.#nextPid += 1;
    const process = new SimProcess(`${this.name}/${name}`, pid, (...call) => this.fates(...call));
    this.#processes.add(process);
    process.onDeath(() => void this.#processes.delete(process));
    const world = this.#world(name, process);
    return { process, world: this.#options.adapt?.(world, process) ?? world };
  }

  /** The power fails: everything dies, and the disk forgets. */
  powerCut(rng: Rng): void {
    const lives = this.orphansLive;
    this.orphansLive = () => false;
    for (const process of this.#processes) process.die();
    this.orphansLive = lives;
    this.disk.powerCut(rng);
  }

  #world(name: string, process: SimProcess): World {
    const { scheduler, network, programs } = this.#options;
    const rng = this.#rng.fork(`${name}#${process.pid}`);
    return {
      clock: {
        wallMs: () => this.#clock.wallMs(),
        monoMs: () => this.#clock.monoMs(),
        sleep: (ms, stop) => process.async<void>("sleep", "clock", (resolve) => void this.#clock.sleep(ms, stop).then(resolve)),
      },
      rng,
      crypto: rngCrypto(rng.fork("crypto")),
      files: simFiles(process, this.disk, this.#locks),
      databases: simDatabases(process, this.disk),
      buses: noBuses,
      net: network.netFor(process, this),
      exec: simExec(process, {
        scheduler,
        programs: programs ?? (() => undefined),
        startMs: () => 20,
        orphansLive: () => this.orphansLive(),
        fork: (argv) => this.start(argv),
      }),
      log: capturedLog(this.logged, name, LOG_LINES_MAX),
      self: {
        exe: ["/usr/bin/felhom"],
        pid: process.pid,
        uid: 0,
        gid: 0,
        version: "0.1.0",
        rssBytes: () => 30_000_000,
        releaseMemory: () => Promise.resolve(),
      },
    };
  }
}
