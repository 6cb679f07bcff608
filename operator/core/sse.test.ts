import { expect, test } from "bun:test";
import fc from "fast-check";
import { utf8 } from "../../shared/core/bytes.ts";
import { isFault } from "../../shared/core/fault.ts";
import { SseParser } from "./sse.ts";

const STREAM = ': hello\r\n\r\nid: 7\nevent: host.down\ndata: {"a":\ndata: "ő"}\n\ndata:x\r\rdata\n\nid: 8\n\nevent: lost\n\ndata: last';
const WANTED = [
  { id: "7", event: "host.down", data: '{"a":\n"ő"}' },
  { id: "7", event: "message", data: "x" },
  { id: "7", event: "message", data: "" },
];

test("events are read by the rules, an unfinished one is not one", () => {
  expect(new SseParser().push(utf8(STREAM))).toEqual(WANTED);
});

test("a chunk may end anywhere, also inside a letter or a line end", () => {
  const bytes = utf8(STREAM);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: bytes.byteLength }), { maxLength: 20 }), (cuts) => {
      const parser = new SseParser();
      const at = [0, ...cuts.toSorted((a, b) => a - b), bytes.byteLength];
      expect(at.slice(1).flatMap((end, index) => parser.push(bytes.subarray(at[index], end)))).toEqual(WANTED);
    }),
    { seed: 9, numRuns: 200 },
  );
});

test("a line and an event have a bound", () => {
  const refused = (chunks: readonly string[]): boolean => {
    const parser = new SseParser();
    try {
      for (const chunk of chunks) parser.push(utf8(chunk));
      return false;
    } catch (error) {
      return isFault(error, "too_large");
    }
  };
  expect(refused([`data: ${"x".repeat(300_000)}`])).toBe(true);
  expect(refused(Array.from({ length: 10 }, () => `data: ${"x".repeat(40_000)}\n`))).toBe(true);
  expect(refused([`data: ${"x".repeat(1_000)}\n\n`])).toBe(false);
});
