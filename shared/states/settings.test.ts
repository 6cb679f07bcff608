import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Settings } from "./settings.ts";
import { mergeSettings, settled } from "./settings.ts";

function merged(...levels: readonly Settings[]): Settings {
  return levels.reduce<Settings>((base, over) => {
    const result = mergeSettings(base, over);
    if (!result.ok) throw new Error(`${result.clash.path.join(".")}: ${result.clash.message}`);
    return result.value;
  }, {});
}

describe("settings levels", () => {
  test.each([
    ["maps are merged, values replaced", [{ a: { x: 1, y: 2 } }, { a: { y: 3 }, b: 4 }], { a: { x: 1, y: 3 }, b: 4 }],
    ["a list replaces", [{ a: [1, 2] }, { a: [3] }], { a: [3] }],
    ["a list adds", [{ a: [1, 2] }, { "a+": [2, 3] }], { a: [1, 2, 3] }],
    ["what was added is replaced later", [{ a: [1] }, { "a+": [2] }, { a: [9] }], { a: [9] }],
    ["an addition alone is the list", [{ "a+": [1, 1] }, { "a+": [2] }], { a: [1, 2] }],
    ["additions work below", [{ a: { b: [1] } }, { a: { "b+": [2], "c+": [3] } }], { a: { b: [1, 2], c: [3] } }],
    ["null takes any place", [{ a: { b: 1 } }, { a: null }], { a: null }],
    ["null gives any place", [{ a: null }, { a: [1] }], { a: [1] }],
    ["null takes additions", [{ a: null }, { "a+": [1] }], { a: [1] }],
  ])("%s", (_, levels, expected) => {
    expect(JSON.stringify(settled(merged(...levels)))).toBe(JSON.stringify(expected));
  });

  test.each([
    [{ a: { b: 1 } }, { a: [1] }, "a: is a list here and a map in a farther level"],
    [{ a: { b: 1 } }, { a: { b: {} } }, "a.b: is a map here and a single value in a farther level"],
    [{ a: 1 }, { "a+": [1] }, "a+: a+ adds to a list, and a farther level has a single value there"],
    [{}, { "a+": 1 }, "a+: a+ adds to a list, so it has to be a list"],
  ])("%j and then %j is a fault", (base, over, message) => {
    expect(() => merged(base, over)).toThrow(message);
  });

  // One key always has one kind, as in a fleet that was thought about.
  const level = fc.record(
    {
      s: fc.integer(),
      l: fc.array(fc.integer({ max: 3, min: 0 }), { maxLength: 3 }),
      "l+": fc.array(fc.integer({ max: 5, min: 0 }), { maxLength: 3 }),
      m: fc.record({ s: fc.string(), t: fc.boolean(), "k+": fc.array(fc.integer({ max: 3, min: 0 }), { maxLength: 2 }) }, { requiredKeys: [] }),
    },
    { requiredKeys: [] },
  );
  const same = (a: Settings, b: Settings) => expect(settled(a)).toEqual(settled(b));

  test("an empty level changes nothing, before or after", () => {
    fc.assert(
      fc.property(level, (a) => {
        same(merged({}, a), merged(a));
        same(merged(a, {}), merged(a));
      }),
    );
  });

  test("merging twice changes nothing more", () => {
    fc.assert(fc.property(level, level, (a, b) => same(merged(a, b, b), merged(a, b))));
  });

  test("it does not matter which neighbours are merged first", () => {
    fc.assert(fc.property(level, level, level, (a, b, c) => same(merged(merged(a, b), c), merged(a, merged(b, c)))));
  });

  test("single values of the nearer level are all there", () => {
    fc.assert(
      fc.property(level, level, (a, b) => {
        if (b.s !== undefined) expect(merged(a, b)["s"]).toBe(b.s);
      }),
    );
  });

  test("what is merged is not changed", () => {
    fc.assert(
      fc.property(level, level, (a, b) => {
        const before = JSON.stringify([a, b]);
        merged(a, b);
        expect(JSON.stringify([a, b])).toBe(before);
      }),
    );
  });
});
