import { expect, test } from "bun:test";
import { parseJson } from "./plain-json.ts";

test("JSON is read, what is none is undefined", () => {
  expect(parseJson('{"a":[1,"[[["]}')).toEqual({ a: [1, "[[["] });
  for (const text of ["", "{", "[1,]", "nul"]) expect(parseJson(text)).toBeUndefined();
});

test("attack 32: what nests without end is refused before the parser sees it", () => {
  const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
  expect(parseJson(nested(64))).toBeDefined();
  expect(parseJson(nested(65))).toBeUndefined();
  expect(parseJson("[".repeat(5_000_000))).toBeUndefined();
  expect(parseJson(`{"a":${'{"a":'.repeat(100)}1${"}".repeat(101)}`)).toBeUndefined();
});

test("brackets and quotes in strings count for nothing", () => {
  const text = JSON.stringify({ a: '\\"' + "[".repeat(1_000), b: "\\\\" });
  expect(parseJson(text)).toEqual(JSON.parse(text));
});
