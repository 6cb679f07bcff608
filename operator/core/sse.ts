import { Fault } from "../../shared/core/fault.ts";

/**
 * Server-sent events out of a byte stream (WHATWG HTML, 9.2.6): `id`, `event`, `data` and comments; CR, LF and CRLF; a chunk may end
 * anywhere, also inside a character. One event and one line have a bound.
 */
export interface SseEvent {
  readonly id: string | undefined;
  readonly event: string;
  readonly data: string;
}

const EVENT_CHARS_MAX = 256 * 1024;

export class SseParser {
  readonly #decoder = new TextDecoder();
  readonly #charsMax: number;
  #rest = "";
  #id: string | undefined;
  #event = "message";
  #data: string[] = [];
  #size = 0;

  constructor(charsMax = EVENT_CHARS_MAX) {
    this.#charsMax = charsMax;
  }

  /** The events that this chunk completes. Throws `too_large`. */
  push(chunk: Uint8Array): readonly SseEvent[] {
    let text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    // A CR at the end may be half of a CRLF.
    const held = text.endsWith("\r") ? "\r" : "";
    text = held === "" ? text : text.slice(0, -1);
    const lines = text.split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() ?? "") + held;
    if (this.#rest.length > this.#charsMax) throw new Fault("too_large", "Cannot follow events: one line of the stream is above its bound");
    return lines.flatMap((line) => this.#line(line));
  }

  #line(line: string): readonly SseEvent[] {
    if (line === "") return this.#dispatch();
    if (line.startsWith(":")) return [];
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "id" && !value.includes("\0")) this.#id = value;
    if (field === "event") this.#event = value;
    if (field === "data") {
      this.#data.push(value);
      this.#size += value.length;
      if (this.#size > this.#charsMax) throw new Fault("too_large", "Cannot follow events: one event of the stream is above its bound");
    }
    return [];
  }

  #dispatch(): readonly SseEvent[] {
    const events = this.#data.length === 0 ? [] : [{ id: this.#id, event: this.#event, data: this.#data.join("\n") }];
    this.#event = "message";
    this.#data = [];
    this.#size = 0;
    return events;
  }
}
