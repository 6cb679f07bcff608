import { Fault } from "../../shared/core/fault.ts";

/** Filled by the service that opens the database, read by those that start after it. Empty again when it has stopped. */
export class Slot<T> {
  #value: T | undefined;

  fill(value: T): void {
    this.#value = value;
  }

  empty(): void {
    this.#value = undefined;
  }

  peek(): T | undefined {
    return this.#value;
  }

  get(): T {
    if (this.#value === undefined) throw new Fault("unavailable", "Cannot use the hub's store: it is not open");
    return this.#value;
  }
}
