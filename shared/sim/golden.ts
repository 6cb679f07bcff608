import { expect } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/**
 * Compares text with a file in `testdata/`. With `FELHOM_GOLDENS=write` it writes the file instead; look at the difference in git
 * before you commit it: a golden that nobody read proves nothing.
 */
export function expectGolden(text: string, path: string): void {
  if (process.env["FELHOM_GOLDENS"] === "write") {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    return;
  }
  if (!existsSync(path)) throw new Error(`There is no golden ${path}; FELHOM_GOLDENS=write makes it`);
  expect(text).toBe(readFileSync(path, "utf8"));
}
