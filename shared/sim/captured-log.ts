import type { LogEvent } from "../core/log-event.ts";
import { flatten } from "../core/fault.ts";
import type { Level, Log, LogFacts } from "../ports/log.ts";

export interface LogLine {
  readonly level: Level;
  readonly component: string;
  readonly event: LogEvent;
  readonly facts: LogFacts;
  readonly cause: string | undefined;
}

/** A log that a test can read: every line lands in `lines`, the oldest fall out above `linesMax`. */
export function capturedLog(lines: LogLine[], component = "test", linesMax = 10_000): Log {
  return {
    event: (level, event, facts = {}, cause) => {
      lines.push({ level, component, event, facts, cause: cause === undefined ? undefined : flatten(cause) });
      if (lines.length > linesMax) lines.shift();
    },
    for: (other) => capturedLog(lines, other, linesMax),
  };
}
