import { expect, test } from "bun:test";
import { fields, fit, table, truncate } from "./table.ts";

const PLAIN = { outIsTty: true, columns: 80, colour: false, unicode: true };
const COLUMNS = [
  { title: "HOST", flex: true },
  { title: "N", align: "right" as const },
  { title: "HUB", drop: 1 },
  { title: "NOTE", flex: true, least: 10 },
];
const ROWS = [
  ["kovacs-1", 3, "a", "short"],
  ["a-host-with-a-rather-long-name-indeed", 12, "b", "nginx.conf was edited by hand at three in the morning by somebody who is not here any more"],
];

test("columns line up, numbers to the right, gaps of two", () => {
  expect(table(COLUMNS, [["x", 1, "", null]], PLAIN)).toBe("  HOST  N  HUB  NOTE\n  x     1  –    –");
});

test("no line is wider than the terminal, at any width that leaves room for something", () => {
  for (let columns = 40; columns <= 200; columns += 1) {
    const lines = table(COLUMNS, ROWS, { ...PLAIN, columns }).split("\n");
    expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(columns);
  }
});

test("in a pipe nothing is cut", () => {
  expect(table(COLUMNS, ROWS, { ...PLAIN, outIsTty: false, columns: 20 })).toContain("who is not here any more");
});

test("a droppable column goes before a flexible one gets too short", () => {
  const narrow = table(COLUMNS, ROWS, { ...PLAIN, columns: 30 });
  expect(narrow).not.toContain("HUB");
  expect(narrow).toContain("NOTE");
});

test("wide letters count as two cells", () => {
  const lines = table(
    [{ title: "A" }, { title: "B" }],
    [
      ["漢字", "x"],
      ["ab", "y"],
    ],
    PLAIN,
  ).split("\n");
  expect(lines[1]).toBe("  漢字  x");
  expect(lines[2]).toBe("  ab    y");
});

test("every cell is escaped, also one with a style", () => {
  const text = table([{ title: "A" }], [["\u001b[2J"], [{ text: "\u202e", style: "bad" }]], { ...PLAIN, colour: true });
  expect(text).toContain("\\x1b[2J");
  expect(text).toContain("\\u202e");
  expect(text.replace(/\u001b\[[0-9;]*m/g, "")).not.toContain("\u001b");
});

test("colour does not change the layout", () => {
  const rows = [[{ text: "✓ ok", style: "good" as const }, 1, "a", "n"]];
  const coloured = table(COLUMNS, rows, { ...PLAIN, colour: true });
  expect(coloured.replace(/\u001b\[[0-9;]*m/g, "")).toBe(table(COLUMNS, rows, PLAIN));
});

test("cutting keeps whole letters", () => {
  expect(truncate("abcdef", 4, { unicode: true })).toBe("abc…");
  expect(truncate("abcdef", 5, { unicode: false })).toBe("ab...");
  expect(truncate("漢字漢字", 4, { unicode: true })).toBe("漢…");
  expect(truncate("abc", 3, { unicode: true })).toBe("abc");
});

test("widths never go below what a column asks for", () => {
  expect(fit([{ title: "A", flex: true, least: 5 }, { title: "B" }], [50, 10], 20)).toEqual([6, 10]);
  expect(fit([{ title: "A", flex: true, least: 5 }, { title: "B" }], [50, 10], 5)).toEqual([5, 10]);
});

test("fields wrap under their value and leave out what is not there", () => {
  const text = fields(
    [
      ["name", "x"],
      ["long one", "word ".repeat(30).trim()],
      ["gone", undefined],
    ],
    { ...PLAIN, columns: 40 },
  );
  expect(text.split("\n")[0]).toBe("  name      x");
  expect(text.split("\n")[2]?.startsWith("            word")).toBe(true);
  expect(text).not.toContain("gone");
});
