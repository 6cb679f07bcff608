/**
 * What a program writes, on its way into signed parts: at most 32 KiB or one second behind, each stream cut at its cap. Bytes are
 * dropped beyond the cap and never before it, and the answer says that some were.
 */
import { base64, concat } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { AnswerFields } from "./signer.ts";

export const PART_BYTES_MAX = 32 * 1_024;
export const PART_WAIT_MS = 1_000;

type From = "stdout" | "stderr";

export class Output {
  readonly #world: World;
  readonly #bytesMax: number;
  readonly #send: (fields: AnswerFields) => void;
  readonly #held: Record<From, Uint8Array[]> = { stdout: [], stderr: [] };
  readonly #heldBytes: Record<From, number> = { stdout: 0, stderr: 0 };
  readonly #seenBytes: Record<From, number> = { stdout: 0, stderr: 0 };
  readonly #over = new AbortController();
  #isTruncated = false;
  #isTimed = false;
  #failure: unknown;
  /** Parts sent so far. */
  parts = 0;

  constructor(world: World, bytesMax: number, send: (fields: AnswerFields) => void) {
    this.#world = world;
    this.#bytesMax = bytesMax;
    this.#send = send;
  }

  say(from: From, bytes: Uint8Array): void {
    const room = this.#bytesMax - this.#seenBytes[from];
    if (bytes.byteLength > room) this.#isTruncated = true;
    let left = bytes.subarray(0, Math.max(0, room));
    this.#seenBytes[from] += left.byteLength;
    while (left.byteLength > 0) {
      const taken = left.slice(0, PART_BYTES_MAX - this.#heldBytes[from]);
      this.#held[from].push(taken);
      this.#heldBytes[from] += taken.byteLength;
      left = left.subarray(taken.byteLength);
      if (this.#heldBytes[from] >= PART_BYTES_MAX && left.byteLength > 0) this.#flush();
    }
    this.#time();
  }

  /** A program that says nothing for a while is told to run all the same, once: whoever asked knows then that it has begun. */
  begin(): void {
    void this.#world.clock.sleep(PART_WAIT_MS, this.#over.signal).then(() => {
      if (!this.#over.signal.aborted && this.parts === 0 && this.#heldBytes.stdout + this.#heldBytes.stderr === 0) this.#part({});
    });
  }

  /** The rest, for the final answer. Nothing is sent after it. A full disk cost a part of the output; a broken one is thrown. */
  end(): AnswerFields {
    this.#over.abort();
    if (this.#failure !== undefined && (!isFault(this.#failure) || this.#failure.code === "disk_failed")) throw this.#failure;
    return { ...this.#take(), ...(this.#isTruncated ? { truncated: true } : {}) };
  }

  #time(): void {
    if (this.#isTimed || this.#over.signal.aborted) return;
    this.#isTimed = true;
    void this.#world.clock.sleep(PART_WAIT_MS, this.#over.signal).then(() => {
      this.#isTimed = false;
      if (!this.#over.signal.aborted) this.#flush();
    });
  }

  #flush(): void {
    const fields = this.#take();
    if (fields.stdout !== undefined || fields.stderr !== undefined) this.#part(fields);
  }

  #part(fields: AnswerFields): void {
    try {
      this.#send(fields);
      this.parts += 1;
    } catch (error) {
      // Called from a pipe or a timer, where nobody catches: it is told at the end, and this piece is missing.
      this.#failure ??= error;
      this.#isTruncated = true;
    }
  }

  #take(): AnswerFields {
    const taken = (from: From): string | undefined => {
      if (this.#heldBytes[from] === 0) return undefined;
      const bytes = concat(...this.#held[from]);
      this.#held[from] = [];
      this.#heldBytes[from] = 0;
      return base64(bytes);
    };
    const stdout = taken("stdout");
    const stderr = taken("stderr");
    return { ...(stdout === undefined ? {} : { stdout }), ...(stderr === undefined ? {} : { stderr }) };
  }
}
