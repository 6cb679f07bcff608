import type { Clock } from "../ports/clock.ts";

/** Above this, timers fire at once: 2^31-1 ms. */
const SLEEP_MS_MAX = 2 ** 31 - 1;

export const realClock: Clock = {
  wallMs: () => Date.now(),
  monoMs: () => performance.now(),
  sleep: (ms, stop) =>
    new Promise((resolve) => {
      if (stop.aborted) {
        resolve();
        return;
      }
      // Nobody who only lets the loop take its turn waits for a timer: Bun's shortest is a millisecond (measured). What came in meanwhile is read first.
      if (ms <= 0) {
        setImmediate(resolve);
        return;
      }
      const end = (): void => {
        clearTimeout(timer);
        stop.removeEventListener("abort", end);
        resolve();
      };
      const timer = setTimeout(end, Math.min(Math.max(0, Math.ceil(ms)), SLEEP_MS_MAX));
      stop.addEventListener("abort", end);
    }),
};
