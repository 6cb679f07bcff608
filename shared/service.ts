import type { Health } from "./core/health.ts";
import type { Metric } from "./core/metrics.ts";

/**
 * One long-lived part of a process. `mode.ts` returns a list of these; `supervise` starts them in order and stops them in
 * reverse. `/readyz`, `/metrics` and `status` read the same list.
 */
export interface Service {
  readonly name: string;
  /** Resolves once it does its work; `done` resolves after `stop` aborts and everything it held is released, and rejects when it dies by itself. */
  start(stop: AbortSignal): Promise<{ readonly done: Promise<void> }>;
  health(): Health;
  metrics(): readonly Metric[];
}
