import { expect, test } from "bun:test";
import { age, ageOf, ago, byteSize, count, isoTime, parseDuration, until } from "./age.ts";

test("an age has one unit, rounded down", () => {
  const table: readonly (readonly [number, string])[] = [
    [0, "0 s"],
    [999, "999 ms"],
    [1_000, "1 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [3_599_999, "59 min"],
    [3_600_000, "1 h"],
    [86_399_999, "23 h"],
    [86_400_000, "1 d"],
    [364 * 86_400_000, "364 d"],
    [365 * 86_400_000, "1 y"],
    [-5, "0 s"],
  ];
  for (const [ms, text] of table) expect([ms, age(ms)]).toEqual([ms, text]);
});

test("clocks that differ a little are not the future, clocks that differ much say so", () => {
  expect(ageOf(null, 1_000)).toBe("never");
  expect(ageOf(10_000, 10_000)).toBe("0 s");
  expect(ageOf(14_000, 10_000)).toBe("0 s");
  expect(ageOf(70_000, 10_000)).toBe("1 min ahead");
  expect([ago(70_000, 10_000), ago(10_000, 70_000), ago(null, 0)]).toEqual(["1 min ahead", "1 min ago", "never"]);
  expect(ageOf(9_500, 10_000)).toBe("0 s");
});

test("ends, times, sizes and counts", () => {
  expect(until(90_000, 30_000)).toBe("in 1 min");
  expect(until(30_000, 90_000)).toBe("1 min ago");
  expect(isoTime(1_795_132_800_999)).toBe("2026-11-20T00:00:00Z");
  expect([0, 1023, 1024, 1536, 10 * 1024 ** 2, 5 * 1024 ** 4].map(byteSize)).toEqual(["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 MiB", "5.0 TiB"]);
  expect([count(1, "box", "boxes"), count(2, "box", "boxes"), count(0, "host")]).toEqual(["1 box", "2 boxes", "0 hosts"]);
});

test("durations are read strictly", () => {
  expect(["45s", "10m", "10min", "6h", "2d", "1w", "500ms"].map(parseDuration)).toEqual([45_000, 600_000, 600_000, 21_600_000, 172_800_000, 604_800_000, 500]);
  for (const bad of ["", "5", "h", "-1h", "1.5h", "1 h x", "9999999s", "1month"]) expect(parseDuration(bad)).toBeUndefined();
});
