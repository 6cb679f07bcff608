import type { Clock } from "../ports/clock.ts";
import { Scheduler } from "./scheduler.ts";

/** 2026-01-01T00:00:00Z: where simulated wall clocks begin. */
export const SIM_EPOCH_MS = Date.UTC(2026, 0, 1);

/** A clock on virtual time. Wall time can be set apart from it, as on a box whose battery died. */
export class SimClock implements Clock {
  readonly scheduler: Scheduler;
  #wallOffsetMs: number;

  constructor(scheduler = new Scheduler(), startWallMs: number = SIM_EPOCH_MS) {
    this.scheduler = scheduler;
    this.#wallOffsetMs = startWallMs - scheduler.nowMs;
  }

  wallMs(): number {
    return Math.floor(this.scheduler.nowMs + this.#wallOffsetMs);
  }

  monoMs(): number {
    return this.scheduler.nowMs;
  }

  sleep(ms: number, stop: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (stop.aborted) {
        resolve();
        return;
      }
      const end = (): void => {
        cancel();
        stop.removeEventListener("abort", end);
        resolve();
      };
      const cancel = this.scheduler.after(ms, end);
      stop.addEventListener("abort", end);
    });
  }

  /** Moves virtual time on, running what falls due on the way, in order. */
  advance(ms: number): Promise<void> {
    return this.scheduler.advance(ms);
  }

  /** Sets only what the wall clock says; monotonic time does not notice. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
}
