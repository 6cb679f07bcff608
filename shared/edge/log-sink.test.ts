import { expect, test } from "bun:test";
import { Fault } from "../core/fault.ts";
import type { Log } from "../ports/log.ts";
import { SimClock } from "../sim/sim-clock.ts";
import { logSink } from "./log-sink.ts";

function logTo(lines: string[], format: "json" | "text"): Log {
  return logSink({ format, level: "info", sink: (line) => void lines.push(line) }, "agent", "1.2.3", new SimClock());
}

test("a JSON line has the fixed fields, the facts, and the causes flattened once", () => {
  const lines: string[] = [];
  const cause = new Fault("disk_full", "Cannot write a: ENOSPC", { cause: new Error("inner") });
  logTo(lines, "json").for("agent.sync").event("warn", "http.failed", { host: "h-1", level: "spoofed" }, cause);
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    {
      at: "2026-01-01T00:00:00.000Z",
      level: "warn",
      component: "agent.sync",
      version: "1.2.3",
      event: "http.failed",
      host: "h-1",
      cause: "disk_full: Cannot write a: ENOSPC – inner",
    },
  ]);
});

test("a text line cannot be broken or coloured by what it reports", () => {
  const lines: string[] = [];
  logTo(lines, "text").event("error", "http.failed", { name: "a\n\u001b[31mred\u202e", count: 2, none: undefined });
  expect(lines).toEqual(['2026-01-01T00:00:00.000Z error agent/1.2.3 http.failed name="a\\n\\u001b[31mred\\u202e" count=2']);
});

test("lines below the level are dropped", () => {
  const lines: string[] = [];
  logTo(lines, "json").event("debug", "http.failed");
  expect(lines).toEqual([]);
});
