import { describe, expect, test } from "bun:test";
import { hasLedgerFallen, needsProof, type Starts, turnStarts } from "./boots.ts";

const known: Starts = { bootId: "boot-2", bootIdBefore: "boot-1", run: 6 };

describe("what a box says of its starts", () => {
  const table: readonly [string, Starts, { readonly bootId: string; readonly run: number }, string][] = [
    ["first heard", { bootId: "", bootIdBefore: "", run: 0 }, { bootId: "boot-1", run: 1 }, ""],
    ["the same run", known, { bootId: "boot-2", run: 6 }, ""],
    ["a new run", known, { bootId: "boot-2", run: 7 }, ""],
    ["a new boot and run", known, { bootId: "boot-3", run: 7 }, ""],
    ["an earlier run of this boot", known, { bootId: "boot-2", run: 5 }, "rolled back"],
    ["an earlier run in a new boot", known, { bootId: "boot-3", run: 5 }, "rolled back"],
    ["the boot before", known, { bootId: "boot-1", run: 6 }, "cloned"],
    ["an earlier run of the boot before", known, { bootId: "boot-1", run: 3 }, "cloned"],
  ];
  test.each(table)("%s", (_name, before, said, wanted) => {
    const { cloned, rolledBack } = turnStarts(before, said);
    expect(cloned ? "cloned" : rolledBack ? "rolled back" : "").toBe(wanted);
  });

  const generations: readonly [string, number, number, number, boolean][] = [
    ["none told", -1, 5, 5, false],
    ["first told", 5, -1, -1, false],
    ["the same", 5, 5, 5, false],
    ["higher", 6, 5, 5, false],
    ["lower", 4, 5, 5, true],
    ["lower after a restart of the hub", 4, -1, 5, true],
    ["lower still, once it fell", 3, 4, 5, false],
    ["rising, once it fell", 5, 4, 6, false],
  ];
  test.each(generations)("generation of the record of ops: %s", (_name, said, before, highest, fell) =>
    expect(hasLedgerFallen(said, before, highest)).toBe(fell),
  );
});

describe("a request that may be a late one", () => {
  const calm = { cloned: false, rolledBack: false };
  const back = { cloned: false, rolledBack: true };
  const twice = { cloned: true, rolledBack: false };
  const table: readonly [string, typeof calm, boolean, string, string | undefined, boolean][] = [
    ["says nothing strange", calm, false, "", "", false],
    ["says nothing strange, whatever word was given to another", calm, false, "word", "", false],
    ["is of an earlier run", back, false, "", "", true],
    ["is of an earlier run, and a word was given and not said", back, false, "word", "", true],
    ["is of an earlier run, with a word of long ago", back, false, "word", "other", true],
    ["is of an earlier run, with a word when none is out", back, false, "", "word", true],
    ["is of an earlier run, and says the word", back, false, "word", "word", false],
    ["is of the boot before", twice, false, "word", "", true],
    ["is of the boot before, and says the word", twice, false, "word", "word", false],
    ["tells an older record of ops", calm, true, "word", "", true],
    ["tells an older record of ops, and says the word", calm, true, "word", "word", false],
    ["is of an agent that knows no word", back, false, "word", undefined, false],
  ];
  test.each(table)("%s", (_name, turn, fell, asked, echoed, wanted) => expect(needsProof(turn, fell, { asked, echoed })).toBe(wanted));
});
