import { expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stopLine } from "./stop-line.ts";

/** Begins, and says so; told to end, it says so, waits for `go`, and tells whether its directory is still there. */
const SLOW = `
  trap 'touch "$1.told"; while ! [ -e "$2/go" ]; do sleep 0.05; done; [ -d "$2/dir" ] && echo there > "$1" || echo gone > "$1"; exit' TERM
  touch "$1.begun"
  while :; do sleep 0.05; done`;

test("the directory is removed when the last process has ended, and not before", async () => {
  const scratch = mkdtempSync(join(tmpdir(), "felhom-stop-line-"));
  const dir = join(scratch, "dir");
  mkdirSync(dir);
  const marks = ["a", "b"].map((name) => join(scratch, name));
  const running = marks.map((mark) => Bun.spawn(["sh", "-c", SLOW, "slow", mark, scratch]));
  try {
    await until(() => marks.every((mark) => existsSync(`${mark}.begun`)));
    const line = Bun.spawn(
      [
        "sh",
        "-c",
        stopLine(
          running.map(({ pid }) => pid),
          dir,
        ),
      ],
      { stderr: "inherit" },
    );
    await until(() => marks.every((mark) => existsSync(`${mark}.told`)));
    // A line that does not wait has ended by itself by now or soon; one that waits cannot.
    expect(await Promise.race([line.exited.then(() => "ended"), Bun.sleep(300).then(() => "waits")])).toBe("waits");
    writeFileSync(join(scratch, "go"), "");
    expect(await line.exited).toBe(0);
    expect(marks.map((mark) => readFileSync(mark, "utf8").trim())).toEqual(["there", "there"]);
    expect(existsSync(dir)).toBe(false);
  } finally {
    for (const process of running) process.kill("SIGKILL");
    rmSync(scratch, { recursive: true });
  }
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await Bun.sleep(10);
}
