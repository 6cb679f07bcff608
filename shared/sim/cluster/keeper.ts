/**
 * Keeps one felhom process running on a simulated machine, as a service manager does: started at boot, restarted some seconds
 * after it died or gave up, left alone while the machine is off. It runs the same `compose` as the real program.
 */
import type { Service } from "../../service.ts";
import { supervise } from "../../supervise.ts";
import type { World } from "../../ports/world.ts";
import type { Rng } from "../../ports/rng.ts";
import type { Scheduler } from "../scheduler.ts";
import type { SimMachine } from "../sim-machine.ts";
import { ProcessDied, type SimProcess } from "../sim-process.ts";

export interface KeptProgram {
  readonly name: string;
  compose(world: World): readonly Service[];
}

const RESTART_MS = 5_000;
/** supervise gives each service ten seconds; nothing may take longer than this in all. */
const STOP_MS_MAX = 120_000;

export class Keeper {
  readonly #machine: SimMachine;
  readonly #scheduler: Scheduler;
  readonly #program: KeptProgram;
  readonly #rng: Rng;
  #on = false;
  #running: { readonly process: SimProcess; readonly services: readonly Service[]; readonly stop: AbortController } | undefined;
  starts = 0;
  /** Times it gave itself up, with the last error: expected under disk faults only. */
  failures: unknown[] = [];
  /** Stops that took longer than they may. */
  slowStops = 0;

  constructor(machine: SimMachine, scheduler: Scheduler, program: KeptProgram, rng: Rng) {
    this.#machine = machine;
    this.#scheduler = scheduler;
    this.#program = program;
    this.#rng = rng;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  get process(): SimProcess | undefined {
    return this.#running?.process;
  }

  get services(): readonly Service[] {
    return this.#running?.services ?? [];
  }

  on(): void {
    this.#on = true;
    if (this.#running === undefined) this.#start();
  }

  /** The machine went off: whoever cut the power killed the processes. */
  off(): void {
    this.#on = false;
  }

  /** kill -9. */
  crash(): void {
    this.#running?.process.die();
  }

  /** SIGTERM: it may finish what it does, within bounds, and is started again. */
  restart(): void {
    const running = this.#running;
    if (running === undefined) return;
    running.stop.abort();
    this.#scheduler.after(STOP_MS_MAX, () => {
      if (!running.process.alive) return;
      this.slowStops += 1;
      running.process.die();
    });
  }

  #start(): void {
    if (!this.#on || this.#running !== undefined) return;
    this.starts += 1;
    const { process, world } = this.#machine.start(this.#program.name);
    const stop = new AbortController();
    const ended = (): void => {
      if (this.#running?.process !== process) return;
      this.#running = undefined;
      this.#scheduler.after(RESTART_MS + this.#rng.int(RESTART_MS), () => this.#start());
    };
    const services = this.#composed(world);
    this.#running = { process, services, stop };
    process.onDeath(ended);
    void supervise(services, world, stop.signal).then(
      (ending) => {
        if (ending.because === "failed" && process.alive) this.failures.push(ending.error);
        process.die();
      },
      (error: unknown) => {
        if (!(error instanceof ProcessDied)) this.failures.push(error);
        process.die();
      },
    );
  }

  #composed(world: World): readonly Service[] {
    return this.#program.compose(world);
  }
}
