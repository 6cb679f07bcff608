/** docs/security.md names the tests that show what it says: each of them has to be there, under that name. */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const root = dirname(import.meta.dir);
const page = readFileSync(join(root, "docs/security.md"), "utf8");
const ROWS = 8;

interface Named {
  readonly path: string;
  readonly name: string;
}

const named = (text: string): readonly Named[] =>
  [...text.matchAll(/^- `([^`›]+) › ([^`]+)`/gm)].map(([, path = "", name = ""]) => ({ path: path.trim(), name }));

/** As it stands in the source: a string or a part of a template. */
const isThere = ({ path, name }: Named): boolean => existsSync(join(root, path)) && readFileSync(join(root, path), "utf8").includes(name);

test("every test that docs/security.md names is there", () => {
  expect(named(page).length).toBeGreaterThan(30);
  expect(named(page).filter((one) => !isThere(one))).toEqual([]);
});

test("every row of the contract has a test", () => {
  const rows = page.split(/^### /m).slice(1);
  expect(rows.map((row) => row.split(".")[0])).toEqual(Array.from({ length: ROWS }, (_, at) => String(at + 1)));
  expect(rows.filter((row) => named(row).length === 0)).toEqual([]);
});

test("a name that nobody tests is found", () => {
  expect(isThere({ path: "scripts/security-page.test.ts", name: "no test has this " + "name" })).toBe(false);
  expect(isThere({ path: "scripts/gone.test.ts", name: "x" })).toBe(false);
});

test("SECURITY.md leads there", () => {
  expect(readFileSync(join(root, "SECURITY.md"), "utf8")).toContain("(docs/security.md)");
});
