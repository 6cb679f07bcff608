/**
 * A05, A09, A10: an agent that is frozen in the middle of an op, one whose program writes far more than anybody wants, and one that can
 * open nothing and start nothing any more. Each op ends once and says how, and the agent is there for the next one.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, type CommandResult, RealFleet } from "../../scripts/fleet/real-fleet.ts";

const fleet = new RealFleet({ lightVault: true });
const WAIT_MS = 120_000;
const ANY = [0, 1, 4, 5, 124];
const hasBinary = existsSync(BINARY);
const canTrace = hasBinary && process.getuid?.() === 0 && Bun.which("strace") !== null;

const command = (argv: readonly string[], ...options: readonly string[]): CommandResult =>
  fleet.operator(["run", "box-1", "cmd.run", ...options, "--yes", "--passphrase-file", fleet.passphraseFile, "-o", "jsonl", "--", ...argv], ANY);
const said = ({ stdout }: CommandResult): readonly Record<string, unknown>[] =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const answerOf = (ran: CommandResult): Record<string, unknown> => said(ran).find(({ type }) => type === "return" || type === "failed") ?? {};
const statusOf = (field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(readFileSync(`/proc/${fleet.pid("agent-box-1")}/status`, "utf8"))?.[1] ?? Number.NaN);
const linesOf = (path: string): readonly string[] => (existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : []);

beforeAll(async () => {
  if (!hasBinary) return;
  await fleet.start();
  await fleet.addBox("box-1");
}, WAIT_MS);
afterAll(() => fleet.stop());

describe.skipIf(!hasBinary)("an op while its agent has a hard time", () => {
  test(
    "A05: an agent that is frozen while a program runs, and goes on after it ended, answers once and starts nothing again",
    async () => {
      const [counter, gate] = [join(fleet.dir, "a05"), join(fleet.dir, "a05-gate")];
      const script = `echo ran >> ${counter}; while [ ! -e ${gate} ]; do sleep 0.05; done; echo ended >> ${counter}`;
      const detached = command(["sh", "-c", script], "--detach");
      const id = /o-[a-z2-7]{16}/.exec(detached.stdout)?.[0] ?? "";
      await fleet.until("the program runs", () => Promise.resolve(linesOf(counter).length === 1));
      await fleet.kill("agent-box-1", "SIGSTOP");
      await Bun.write(gate, "");
      await fleet.until("it ended while nobody looked", () => Promise.resolve(linesOf(counter).length === 2));
      await fleet.kill("agent-box-1", "SIGCONT");
      expect(answerOf(fleet.operator(["job", "follow", id, "--wait", "-o", "jsonl"], ANY))).toMatchObject({ outcome: "ok", exit: 0, verified: true });
      expect(answerOf(command(["true"]))).toMatchObject({ outcome: "ok" });
      expect(linesOf(counter)).toEqual(["ran", "ended"]);
    },
    WAIT_MS,
  );

  test(
    "A09: of two gigabytes of output one mebibyte comes back, marked as cut, and the agent's memory stays bounded",
    () => {
      const before = statusOf("VmRSS");
      const answer = answerOf(command(["sh", "-c", "head -c 2000000000 /dev/zero | tr '\\0' x"], "--time-limit", "100s"));
      expect(answer).toMatchObject({ outcome: "ok", truncated: true, verified: true });
      expect(String(answer["stdout"]).length).toBe(1_048_576);
      // The peak, in KiB: what is above the cap is read and dropped, not kept.
      expect(statusOf("VmHWM") - before).toBeLessThan(256 * 1_024);
    },
    WAIT_MS,
  );

  for (const [syscall, error] of [
    ["socketpair", "EMFILE"],
    ["vfork", "EAGAIN"],
  ] as const) {
    test.skipIf(!canTrace)(
      `A10: while ${syscall} fails with ${error} a program can't be started and the op says so; reads are answered; afterwards all is well`,
      async () => {
        const pid = fleet.pid("agent-box-1");
        const trace = spawn("strace", ["-f", "-qq", "-o", "/dev/null", "-p", String(pid), "-e", `trace=${syscall}`, "-e", `inject=${syscall}:error=${error}`], {
          stdio: "ignore",
        });
        try {
          await fleet.until("strace holds the agent", () => Promise.resolve(statusOf("TracerPid") > 0));
          const counter = join(fleet.dir, `a10-${error}`);
          expect(answerOf(command(["sh", "-c", `echo ran >> ${counter}`]))).toMatchObject({ outcome: "failed", code: "exec_failed", verified: true });
          expect(existsSync(counter)).toBe(false);
          expect(fleet.operator(["run", "box-1", "ping"]).stdout).toContain("1 host: ok 1");
        } finally {
          trace.kill("SIGTERM");
          await fleet.until("strace let go", () => Promise.resolve(statusOf("TracerPid") === 0));
        }
        expect(answerOf(command(["true"]))).toMatchObject({ outcome: "ok", exit: 0 });
      },
      WAIT_MS,
    );
  }
});
