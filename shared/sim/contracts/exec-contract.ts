import { describe, expect, test } from "bun:test";
import { fromUtf8, utf8 } from "../../core/bytes.ts";
import { isFault } from "../../core/fault.ts";
import type { Command, Exec } from "../../ports/exec.ts";

const ENV = { PATH: "/usr/bin:/bin" };
const COMMON = { env: ENV, timeoutMs: 20_000, outputBytesMax: 10_000 } as const;
const sh = (script: string): Command["argv"] => ["/bin/sh", "-c", script];

/** What every `Exec` promises about programs that really run. */
export function execContract(name: string, exec: Exec): void {
  describe(`exec: ${name}`, () => {
    test("the environment is exactly what is given", async () => {
      const finished = await exec.run("test", { ...COMMON, argv: ["/usr/bin/env"], env: { A: "1" } });
      expect(fromUtf8(finished.stdout)).toBe("A=1\n");
    });

    test("stdin arrives and both outputs come back, with the code", async () => {
      const finished = await exec.run("test", { ...COMMON, argv: sh("cat; echo oops >&2; exit 3"), stdin: utf8("hello") });
      expect([fromUtf8(finished.stdout), fromUtf8(finished.stderr), finished.code, finished.signal]).toEqual(["hello", "oops\n", 3, null]);
      expect([finished.truncated, finished.timedOut]).toEqual([false, false]);
    });

    test("a child that does not read its stdin is no failure", async () => {
      const finished = await exec.run("test", { ...COMMON, argv: sh("exit 0"), stdin: new Uint8Array(5_000_000) });
      expect(finished.code).toBe(0);
    });

    test("output beyond the bound is dropped and said to be", async () => {
      const finished = await exec.run("test", { ...COMMON, argv: sh("yes | head -c 1000000; echo done >&2"), outputBytesMax: 100 });
      expect([finished.stdout.byteLength, finished.truncated, finished.code]).toEqual([100, true, 0]);
      expect(fromUtf8(finished.stderr)).toBe("done\n");
    });

    test("output of exactly the bound is whole", async () => {
      const finished = await exec.run("test", { ...COMMON, argv: sh("printf 12345"), outputBytesMax: 5 });
      expect([fromUtf8(finished.stdout), finished.truncated]).toEqual(["12345", false]);
    });

    test("a missing program is a fault with its own code", async () => {
      for (const program of ["no-such-program", "/no/such/program"]) {
        const failed = await exec.run("test", { ...COMMON, argv: [program] }).catch((error: unknown) => error);
        expect(isFault(failed, "exec_missing")).toBe(true);
      }
    });

    test("a time limit ends the child and its grandchildren", async () => {
      const finished = await exec.run("test", { ...COMMON, argv: sh("sleep 1000 & echo $!; wait"), timeoutMs: 300 });
      expect([finished.timedOut, finished.code, finished.signal]).toEqual([true, null, "SIGKILL"]);
      expect(await isAlive(exec, fromUtf8(finished.stdout).trim())).toBe(false);
    });

    test("what a child leaves running in its group ends with it", async () => {
      const finished = await exec.run("test", { ...COMMON, argv: sh("sleep 1000 & echo $!") });
      expect(finished.code).toBe(0);
      expect(await isAlive(exec, fromUtf8(finished.stdout).trim())).toBe(false);
    });

    test("stopping ends it", async () => {
      const stop = new AbortController();
      const running = exec.run("test", { ...COMMON, argv: sh("echo ready; sleep 1000"), stop: stop.signal });
      stop.abort();
      const finished = await running;
      expect([finished.signal, finished.timedOut]).toEqual(["SIGKILL", false]);
    });

    test("the working directory is the one given", async () => {
      const finished = await exec.run("test", { ...COMMON, argv: ["/bin/pwd"], cwd: "/usr" });
      expect(fromUtf8(finished.stdout)).toBe("/usr\n");
    });

    test("a started child waits for its stdin, is heard as it speaks, and its end comes after its last word", async () => {
      const heard = { stdout: "", stderr: "" };
      const child = exec.start("test", {
        argv: sh("read line; echo got $line; cat; echo err >&2; exit 3"),
        env: ENV,
        onOutput: (from, bytes) => void (heard[from] += fromUtf8(bytes)),
      });
      expect(child.pid).toBeGreaterThan(0);
      child.feed(utf8("first\nrest"));
      expect(await child.exited).toEqual({ code: 3, signal: null });
      expect(heard).toEqual({ stdout: "got first\nrest", stderr: "err\n" });
    });

    test("a started child that never reads does not mind being fed", async () => {
      const child = exec.start("test", { argv: sh("exec <&-; exit 0"), env: ENV, onOutput: () => {} });
      child.feed(new Uint8Array(1_000_000));
      expect((await child.exited).code).toBe(0);
    });

    test("a spawned child is signalled as a group and says how it ended", async () => {
      const child = exec.spawn("test", { argv: sh("sleep 1000"), env: ENV });
      child.kill("TERM");
      expect(await child.exited).toEqual({ code: null, signal: "SIGTERM" });
    });
  });
}

/** A killed process may stay a zombie of its new parent for a moment: that counts as dead. */
async function isAlive(exec: Exec, pid: string): Promise<boolean> {
  const script = `for i in 1 2 3 4 5 6 7 8 9 10; do s=$(cut -d' ' -f3 /proc/${pid}/stat 2>/dev/null) || exit 1; [ "$s" = Z ] && exit 1; sleep 0.1; done; exit 0`;
  return (await exec.run("test", { ...COMMON, argv: sh(script) })).code === 0;
}
