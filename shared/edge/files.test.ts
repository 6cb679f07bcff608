import { afterAll, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { fromUtf8 } from "../core/bytes.ts";
import { codeOf, filesContract } from "../sim/contracts/files-contract.ts";
import { testWorld, type TestWorld } from "../sim/test-world.ts";
import { realFiles } from "./files.ts";
import { realExec } from "./exec.ts";

const worlds: TestWorld[] = [];
afterAll(() => worlds.forEach((world) => world.remove()));

filesContract("real", () => {
  const world = testWorld();
  worlds.push(world);
  return world;
});

test("a pipe is refused at once instead of waited for", async () => {
  using world = testWorld();
  const path = `${world.dir}/pipe`;
  await realExec.run("test", { argv: ["/usr/bin/mkfifo", path], env: {}, timeoutMs: 5_000, outputBytesMax: 100 });
  expect(codeOf(() => realFiles.read("test", path, { bytesMax: 10 }))).toBe("file_not_regular");
  expect(codeOf(() => realFiles.open("test", path, "read"))).toBe("file_not_regular");
  expect(codeOf(() => realFiles.open("test", path, "append"))).toBe("file_not_regular");
});

test("files of /proc, which claim to be empty, are read whole and within their bound", () => {
  expect(fromUtf8(realFiles.read("test", "/proc/self/status", { bytesMax: 100_000 }))).toContain("VmRSS");
  expect(codeOf(() => realFiles.read("test", "/proc/self/status", { bytesMax: 100 }))).toBe("file_too_large");
});

test("a lock dies with its process, also on kill -9", async () => {
  using world = testWorld();
  const path = `${world.dir}/lock`;
  const script = `import { realFiles } from ${JSON.stringify(new URL("./files.ts", import.meta.url).pathname)}; realFiles.lock("test", ${JSON.stringify(path)}); Bun.gc(true); console.log("held"); setTimeout(() => {}, 1e6);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  await child.stdout.getReader().read();
  expect(codeOf(() => realFiles.lock("test", path))).toBe("lock_held");
  child.kill("SIGKILL");
  await child.exited;
  realFiles.lock("test", path).release();
});

test("a lock that cannot be taken for another reason than a holder does not say that somebody holds it", async () => {
  using world = testWorld();
  await Bun.write(`${world.dir}/lock`, "no database at all, but long enough to be taken for the head of one, page size and everything else included");
  expect(codeOf(() => realFiles.lock("test", `${world.dir}/lock`))).toBe("db_damaged");
});

test("what the operating system refuses is file_denied", async () => {
  using world = testWorld();
  realFiles.makeDir("test", `${world.dir}/d`, 0o700);
  chmodSync(`${world.dir}/d`, 0o500);
  const code = codeOf(() => realFiles.open("test", `${world.dir}/d/x`, "exclusive").close());
  expect(code).toBe(process.getuid?.() === 0 ? undefined : "file_denied");
});
