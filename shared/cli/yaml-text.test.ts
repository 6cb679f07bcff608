import { expect, test } from "bun:test";
import fc from "fast-check";
import { parse } from "yaml";
import { yamlText } from "./yaml-text.ts";

test("what a YAML 1.2 reader makes of it is what went in", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
      expect(parse(yamlText(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("words that readers take for something else are quoted", () => {
  for (const word of ["no", "Yes", "null", "~", "on", "1", "1.5", "0x1f", "2026-11-20", "a: b", "- a", "#x", "", " x", "@a", "a\u001b"])
    expect(parse(yamlText({ word }))).toEqual({ word });
  expect(yamlText({ a: { b: ["x", "y z"] }, c: [] })).toBe('a:\n  b:\n    - x\n    - "y z"\nc: []\n');
});
