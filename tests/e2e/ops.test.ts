/** Ops with the compiled binary: a real hub, two real boxes, a real workstation. What people do with them, and what must never happen. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Box, type CommandResult, RealFleet } from "../../scripts/fleet/real-fleet.ts";

const fleet = new RealFleet({ lightVault: true });
const boxes = new Map<string, Box>();
const ANY = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 75, 124, 130];
const signing = ["--yes", "--passphrase-file", fleet.passphraseFile];

const felhom = (...args: readonly string[]): CommandResult => fleet.operator(args, ANY);
const command = (target: string, argv: readonly string[], ...options: readonly string[]): CommandResult =>
  felhom("run", target, "cmd.run", ...options, ...signing, "--", ...argv);
const idOf = (ran: CommandResult): string => /o-[a-z2-7]{16}/.exec(ran.stdout)?.[0] ?? "";
const lines = (ran: CommandResult): readonly Record<string, unknown>[] =>
  ran.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const linesOf = (path: string): readonly string[] => (existsSync(path) ? readFileSync(path, "utf8").trim().split("\n") : []);
function boxOf(name: string): Box {
  const box = boxes.get(name);
  if (box === undefined) throw new Error(`no box ${name}`);
  return box;
}

/**
 * Stops an agent, and lets the hub find out: it does not see that a held request's connection is gone before it answers it. The next
 * op after this one waits for the box.
 */
async function goAway(name: string): Promise<void> {
  await fleet.kill(`agent-${name}`, "SIGTERM");
  felhom("run", name, "ping", "--detach");
}

beforeAll(async () => {
  await fleet.start();
  boxes.set("box-1", await fleet.addBox("box-1", { site: "cellar", role: "web" }));
  boxes.set("box-2", await fleet.addBox("box-2", { site: "attic", role: "web" }));
}, 240_000);
afterAll(() => fleet.stop());

test("ping: two boxes answer with their signatures, and nobody is asked anything", () => {
  const ran = felhom("run", "*", "ping", "--no-input", "-o", "jsonl");
  expect([ran.code, ran.stderr]).toEqual([0, ""]);
  const returns = lines(ran).filter(({ type }) => type === "return");
  expect(returns.map(({ host }) => String(host)).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(["box-1", "box-2"]);
  for (const one of returns) expect(one).toMatchObject({ verified: true, data: { protocol: 1 } });
  expect(lines(ran).at(-1)).toMatchObject({ type: "summary", ok: 2, exit: 0 });
});

test("the same answer of two boxes is folded into one, and both streams of a program come back with its exit", () => {
  const same = command("label.role == 'web'", ["echo", "hello there"]);
  expect(same.code).toBe(0);
  expect(same.stdout).toContain("2 answers in 1 group");
  expect(same.stdout).toContain("hello there");
  const bad = command("box-2", ["sh", "-c", "echo out; echo err >&2; exit 3"], "-o", "jsonl");
  expect(bad.code).toBe(4);
  expect(lines(bad).find(({ type }) => type === "failed")).toMatchObject({ host: "box-2", exit: 3, stdout: "out\n", stderr: "err\n", verified: true });
});

test("a script, its input, environment and directory are part of what is signed", () => {
  const script = join(fleet.dir, "script.sh");
  const input = join(fleet.dir, "input");
  writeFileSync(script, '#!/bin/sh\nread line\necho "$line $GREETING $1 $(pwd)"\n');
  writeFileSync(input, "from stdin\n");
  const ran = felhom(
    "run",
    "box-1",
    "cmd.run",
    "--script",
    script,
    "--stdin",
    input,
    "--env",
    "GREETING=hi",
    "--cwd",
    "/tmp",
    ...signing,
    "-o",
    "jsonl",
    "--",
    "one",
  );
  expect(lines(ran).find(({ type }) => type === "return")).toMatchObject({ stdout: "from stdin hi one /tmp\n" });
  const shown = felhom("job", "show", "last");
  expect(shown.stdout).toContain('| echo "$line $GREETING $1 $(pwd)"');
  expect(shown.stdout).toContain("| from stdin");
});

test("output above the cap is cut, and says so", () => {
  const ran = felhom(
    "run",
    "box-1",
    "cmd.run",
    "output_bytes_max=100000",
    ...signing,
    "-o",
    "jsonl",
    "--",
    "sh",
    "-c",
    "head -c 1000000 /dev/zero | tr '\\0' x",
  );
  const answer = lines(ran).find(({ type }) => type === "return");
  expect(answer).toMatchObject({ truncated: true, exit: 0 });
  expect(String(answer?.["stdout"]).length).toBe(100_000);
  const text = felhom("job", "results", "last");
  expect(text.stdout).toContain("cut: the box dropped what was above the limit of this op");
});

test("a time-out leaves no grandchild behind", async () => {
  const mark = `${5_000 + (fleet.hubPort % 1_000)}.125`;
  const ran = command("box-1", ["sh", "-c", `sleep ${mark} & sh -c 'sleep ${mark}; true' & wait`], "--time-limit", "1s", "-o", "jsonl");
  expect(ran.code).toBe(4);
  expect(lines(ran).find(({ type }) => type === "failed")).toMatchObject({ code: "timed_out", outcome: "failed" });
  await fleet.until("no sleep of it is left", () => Promise.resolve(Bun.spawnSync(["pgrep", "-f", `sleep ${mark}`]).stdout.toString() === ""));
});

test("a box that was away runs it when it comes back, once", async () => {
  const file = join(fleet.dir, "effect");
  await fleet.kill("agent-box-2", "SIGTERM");
  const sent = command("*", ["sh", "-c", `echo ran >> ${file}-$(basename $PWD)`], "--cwd", fleet.dir, "--detach", "-o", "name");
  const id = idOf(sent);
  expect([sent.code, id.length]).toEqual([0, 18]);
  const first = felhom("job", "follow", id, "-o", "jsonl");
  expect(first.code).toBe(5);
  expect(lines(first).find(({ type }) => type === "silent")).toMatchObject({ host: "box-2", queuedUntil: expect.stringMatching(/Z$/) });
  await fleet.startAgent(boxOf("box-2"));
  const all = felhom("job", "follow", id, "--wait", "-o", "jsonl");
  expect(all.code).toBe(0);
  expect(lines(all).at(-1)).toMatchObject({ ok: 2, open: 0 });
  const ran = linesOf(`${file}-${fleet.dir.split("/").at(-1)}`);
  expect(ran).toEqual(["ran", "ran"]);
}, 240_000);

test("cancel: what runs is killed and says so itself, what was not given out never runs", async () => {
  const file = join(fleet.dir, "never");
  await goAway("box-2");
  const nap = `57.${fleet.hubPort}`;
  const id = idOf(command("*", ["sh", "-c", `sleep ${nap}; echo ran >> ${file}`], "--detach", "-o", "name"));
  await fleet.until("box-1 runs it", () => Promise.resolve(Bun.spawnSync(["pgrep", "-f", `^sleep ${nap}`]).exitCode === 0));
  expect(felhom("job", "cancel", id, "--yes").code).toBe(0);
  const ended = felhom("job", "follow", id, "--wait", "-o", "jsonl");
  expect(lines(ended).at(-1)).toMatchObject({ outcomes: { cancelled: 2 } });
  await fleet.startAgent(boxOf("box-2"));
  expect(felhom("run", "box-2", "ping").code).toBe(0);
  expect(existsSync(file)).toBe(false);
}, 240_000);

test("a retry is a new op, for the host that did not run it only", async () => {
  const file = join(fleet.dir, "retried");
  await goAway("box-2");
  const id = idOf(command("*", ["sh", "-c", `echo ran >> ${file}`], "--expires", "8s", "--detach", "-o", "name"));
  const first = felhom("job", "follow", id, "--wait", "-o", "jsonl");
  expect(lines(first).at(-1)).toMatchObject({ ok: 1, outcomes: { expired: 1 } });
  await fleet.startAgent(boxOf("box-2"));
  const again = felhom("job", "retry", id, ...signing, "-o", "jsonl");
  expect([again.code, lines(again)[0]?.["count"]]).toEqual([0, 1]);
  expect(linesOf(file)).toEqual(["ran", "ran"]);
}, 240_000);

test("a box's own log of ops and the hub's copy agree, and are proven by what the box signed", async () => {
  await fleet.until("the copy has caught up", () => Promise.resolve(fleet.operator(["audit", "verify", "box-1"], ANY).code === 0));
  const ran = felhom("audit", "verify", "box-1", "-o", "json");
  expect(JSON.parse(ran.stdout)).toMatchObject({ kind: "OpLogVerification", whole: true, check: { is: "whole", first: 1 } });
  expect(JSON.parse(ran.stdout).check.proven).toBeGreaterThan(3);
});

test("an op on a stick meets the same ledger, and its answer comes home on a stick too", () => {
  const file = join(fleet.dir, "carried");
  const op = join(fleet.dir, "carried.op");
  const sent = command("box-1", ["sh", "-c", `echo ran >> ${file}; echo carried`], "-o", "name", "--detach");
  expect(felhom("op", "export", idOf(sent), "--out", op).code).toBe(0);
  // The hub's copy came first, or the file did: whichever is second finds it in the ledger.
  const taken = fleet.felhom(["op", "import", op, "--box", ...fleet.boxFlags(boxOf("box-1"))], ANY);
  expect(taken.stdout + taken.stderr).toContain(idOf(sent));
  felhom("job", "follow", idOf(sent));
  expect(linesOf(file)).toEqual(["ran"]);
  const receipts = join(fleet.dir, "receipts.jsonl");
  expect(fleet.felhom(["op", "receipts", receipts, ...fleet.boxFlags(boxOf("box-1"))], ANY).code).toBe(0);
  const imported = felhom("op", "import", receipts, "--fleet", "-o", "json");
  expect([0, 4]).toContain(imported.code);
  expect(JSON.parse(imported.stdout)).toMatchObject({ kind: "ReceiptList", unverified: 0 });
});

test("two operators: nothing reaches a box before the second has signed", async () => {
  const file = join(fleet.dir, "both");
  const second = secondOperator();
  const half = command("box-1", ["sh", "-c", `echo ran >> ${file}`], "--key", "operator", "-o", "json", "--expires", "1h");
  expect([half.code, JSON.parse(half.stdout)]).toEqual([6, expect.objectContaining({ state: "pending", signed: 1, threshold: 2 })]);
  const { id, sha256 } = JSON.parse(half.stdout) as { id: string; sha256: string };
  expect(felhom("op", "list").stdout).toContain("1 of 2 signed");
  expect(felhom("run", "box-1", "ping").code).toBe(0);
  expect(existsSync(file)).toBe(false);
  const signed = second("sign", "pending", "--no-input", "--digest", `sha256:${sha256}`, "--passphrase-file", fleet.passphraseFile);
  expect([signed.code, signed.stderr]).toEqual([0, expect.any(String)]);
  const done = felhom("job", "follow", id);
  expect(done.code).toBe(0);
  expect(linesOf(file)).toEqual(["ran"]);
}, 240_000);

/** A colleague with a workstation and a key of her own; from here on the role `operate` needs both. */
function secondOperator(): (...args: readonly string[]) => CommandResult {
  const home = join(fleet.dir, "second");
  mkdirSync(home, { mode: 0o700 });
  const her = (...args: readonly string[]): CommandResult => fleet.felhom(["--home", home, ...args], ANY);
  const pass = ["--passphrase-file", fleet.passphraseFile];
  const made = her("key", "new", "anna", "--no-fleet", ...pass);
  const key = /ed25519:[A-Za-z0-9_-]{43}/.exec(her("key", "export", "anna", ...pass).stdout)?.[0] ?? "";
  const code = /felhom-join-[a-z0-9-]+/.exec(felhom("join-code", "-o", "json").stdout)?.[0] ?? "";
  const done = [
    made,
    felhom("trust", "add", "anna", key, "--role", "operate", ...signing),
    felhom("trust", "threshold", "operate", "2", ...signing),
    her("login", "--hub", fleet.hubUrl, "--join", code, ...pass),
  ];
  for (const one of done) if (one.code !== 0) throw new Error(`${one.code} ${one.stdout}${one.stderr}`);
  return her;
}
