import type { LogEvent } from "../core/log-event.ts";

export type Level = "debug" | "info" | "warn" | "error";
export type LogFacts = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** One line per transition. Never a secret, a token, or a file's content. */
export interface Log {
  event(level: Level, event: LogEvent, facts?: LogFacts, cause?: unknown): void;
  /** The same sink; every line then carries this component. */
  for(component: string): Log;
}
