/**
 * One line per transition: JSON under a service manager, text on a terminal. Causes are flattened here and nowhere else.
 * Text escapes control characters: what a box or a hub says must not move anybody's cursor. Never a secret: that is the
 * caller's promise, since facts are only ids and numbers.
 */
import { flatten } from "../core/fault.ts";
import type { Clock } from "../ports/clock.ts";
import type { Level, Log, LogFacts } from "../ports/log.ts";

export interface LogSettings {
  readonly format: "json" | "text";
  /** Lines below this are dropped. */
  readonly level: Level;
  /** Takes one line without its newline. */
  readonly sink: (line: string) => void;
}

const RANK = { debug: 0, info: 1, warn: 2, error: 3 } as const satisfies Record<Level, number>;

export function logSink(settings: LogSettings, component: string, version: string, clock: Clock): Log {
  const write = settings.format === "json" ? jsonLine : textLine;
  return {
    event: (level, event, facts = {}, cause) => {
      if (RANK[level] < RANK[settings.level]) return;
      const at = new Date(clock.wallMs()).toISOString();
      settings.sink(write({ at, level, component, version, event, facts, cause: cause === undefined ? undefined : flatten(cause) }));
    },
    for: (other) => logSink(settings, other, version, clock),
  };
}

interface Line {
  readonly at: string;
  readonly level: Level;
  readonly component: string;
  readonly version: string;
  readonly event: string;
  readonly facts: LogFacts;
  readonly cause: string | undefined;
}

/** Facts come last and cannot replace the fixed fields. */
function jsonLine({ facts, ...fixed }: Line): string {
  return JSON.stringify({ ...fixed, ...Object.fromEntries(Object.entries(facts).filter(([name]) => !(name in fixed))) });
}

function textLine({ at, level, component, version, event, facts, cause }: Line): string {
  const pairs = Object.entries(facts).filter(([, value]) => value !== undefined);
  const words = pairs.map(([name, value]) => ` ${name}=${typeof value === "string" ? quoted(value) : String(value)}`);
  return `${at} ${level.padEnd(5)} ${component}/${version} ${event}${words.join("")}${cause === undefined ? "" : ` because=${quoted(cause)}`}`;
}

function quoted(text: string): string {
  return /^[\w./:@+-]+$/.test(text)
    ? text
    : JSON.stringify(text).replace(
        /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
        (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
      );
}
