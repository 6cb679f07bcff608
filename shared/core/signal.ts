/** Something may have happened: wakes whoever waits, remembers one ring for who comes later. No queue, so nothing can pile up. */
export class Signal {
  #rung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves at the next ring (at once when one is remembered) or when `stop` aborts. One waiter at a time. */
  async next(stop: AbortSignal): Promise<void> {
    if (!this.#rung && !stop.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          stop.removeEventListener("abort", done);
          this.#wake = undefined;
          resolve();
        };
        this.#wake = done;
        stop.addEventListener("abort", done);
      });
    }
    this.#rung = false;
  }

  /** The same with an end. */
  async within(ms: number, sleep: (ms: number, stop: AbortSignal) => Promise<void>, stop: AbortSignal): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    stop.addEventListener("abort", end);
    if (stop.aborted) end();
    const timer = sleep(ms, over.signal).then(end);
    await this.next(over.signal);
    end();
    stop.removeEventListener("abort", end);
    await timer;
  }
}

export function untilStopped(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
}
