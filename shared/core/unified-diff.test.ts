import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { seededRng } from "../edge/rng.ts";
import { unifiedDiff } from "./unified-diff.ts";

const body = (before: string, after: string): readonly string[] => unifiedDiff(before, after, "/f").slice(2);

describe("a unified diff", () => {
  test("is empty for equal texts", () => expect(unifiedDiff("a\n", "a\n", "/f")).toEqual([]));

  test("shows a new file and an emptied one", () => {
    expect(body("", "a\nb\n")).toEqual(["@@ -0,0 +1,2 @@", "+a", "+b"]);
    expect(body("a\n", "")).toEqual(["@@ -1 +0,0 @@", "-a"]);
  });

  test("says when the last line has no newline", () => {
    expect(body("a", "a\n")).toEqual(["@@ -1 +1 @@", "-a", "\\ No newline at end of file", "+a"]);
  });

  test("gives up in one line when texts are too different to be of use", () => {
    const lines = (word: string) => Array.from({ length: 1_000 }, (_, at) => `${word} ${at}`).join("\n");
    expect(unifiedDiff(lines("a"), lines("b"), "/f")).toEqual(["  (1000 lines now, 1000 wanted: too different to show)"]);
  });

  test.skipIf(Bun.which("patch") === null)("is what patch(1) needs to make one text of the other, for random texts", () => {
    const dir = mkdtempSync(`${tmpdir()}/felhom-diff-`);
    try {
      const rng = seededRng("diff");
      const text = (): string => Array.from({ length: rng.int(20) }, () => `${"abc".charAt(rng.int(3))}\n`).join("") + (rng.int(4) === 0 ? "open" : "");
      for (let round = 0; round < 60; round++) {
        const [before, after] = [text(), text()];
        const diff = unifiedDiff(before, after, "f");
        if (diff.length === 0) continue;
        writeFileSync(`${dir}/f`, before);
        const patched = Bun.spawnSync(["patch", "--quiet", `${dir}/f`], { stdin: Buffer.from(`${diff.join("\n")}\n`) });
        expect({ round, code: patched.exitCode, said: patched.stdout.toString() }).toEqual({ round, code: 0, said: "" });
        // patch removes a file that becomes empty, as POSIX asks.
        expect(after === "" ? "" : readFileSync(`${dir}/f`, "utf8")).toBe(after);
      }
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
