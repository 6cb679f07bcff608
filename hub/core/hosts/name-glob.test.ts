import { expect, test } from "bun:test";
import { matchesGlob } from "./name-glob.ts";

test("a glob matches the whole name", () => {
  const rows: readonly (readonly [string, string, boolean])[] = [
    ["web-1", "web-1", true],
    ["web-1", "web-12", false],
    ["web-*", "web-12", true],
    ["*", "", true],
    ["*", "x", true],
    ["?", "", false],
    ["web-?", "web-1", true],
    ["web-?", "web-12", false],
    ["*-1", "a-1-1", true],
    ["*a*b", "xxaxxbxxb", true],
    ["*a*b", "xxaxxbxxc", false],
    ["**", "anything", true],
    ["w.b", "web", false],
  ];
  expect(rows.map(([glob, name]) => matchesGlob(glob, name))).toEqual(rows.map(([, , matches]) => matches));
});

test("attack 35: a hostile pattern costs no more than name × pattern steps", () => {
  const glob = "*a".repeat(64);
  const started = performance.now();
  for (let n = 0; n < 1_000; n += 1) matchesGlob(glob, `${"a".repeat(62)}b`);
  expect(performance.now() - started).toBeLessThan(1_000);
});
