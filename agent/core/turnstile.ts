/** One at a time: a converge run or an exclusive op, never both. First come, first served; whoever is told to stop leaves the line. */
export class Turnstile {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;

  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /** Resolves with the way out, or with `undefined` when `stop` aborted before it was this one's turn. */
  async acquire(stop: AbortSignal): Promise<(() => void) | undefined> {
    const before = this.#last;
    const mine = Promise.withResolvers<void>();
    this.#last = before.then(() => mine.promise);
    this.#waiting += 1;
    const leave = (): void => {
      this.#waiting -= 1;
      mine.resolve();
    };
    await Promise.race([before, aborted(stop)]);
    if (!stop.aborted) return once(leave);
    leave();
    return undefined;
  }
}

function aborted(stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
}

function once(run: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    run();
  };
}
