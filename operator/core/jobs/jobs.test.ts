import { expect, test } from "bun:test";
import { base64, utf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import { hostId } from "../../../shared/protocol/fields.ts";
import { OP_KIND_NAMES, OP_KINDS } from "../../../shared/ops/catalogue.ts";
import { openTargets } from "../../../shared/ops/op-target.ts";
import { testHost } from "../../../shared/sim/test-fleet.ts";
import type { OpTargetItem, TargetState } from "../../../shared/protocol/api/ops.ts";
import { returnPayload, type ReturnPayload } from "../../../shared/trust/payloads.ts";
import { accept, refuse } from "../../../shared/trust/verdict.ts";
import { asksOfAll, type Candidate, chooseTargets, guestTarget, type TargetWish } from "./choose-targets.ts";
import { JobBook, type Outcome } from "./job-book.ts";
import { jobExit } from "./job-exit.ts";
import { foldAnswers } from "./fold-answers.ts";
import { paramNames, readParams } from "./kind-params.ts";
import { retryHosts } from "./retry-hosts.ts";
import { answerData, answerLines } from "./answer-text.ts";

const candidate = (name: string, labels: Readonly<Record<string, string>> = {}, facts: Readonly<Record<string, unknown>> = {}): Candidate => ({
  hostId: testHost(name).hostId,
  name,
  labels,
  facts,
});
const FLEET = [
  candidate("web-1", { role: "web", site: "gyor" }, { memory: { total_mb: 8_192 } }),
  candidate("web-2", { role: "web", site: "szeged" }, { memory: { total_mb: 2_048 } }),
  candidate("db-1", { role: "db", site: "gyor" }),
];
const wish = (asked: string, more: Partial<TargetWish> = {}): TargetWish => ({ asked, except: [], limit: undefined, seed: "s", from: undefined, ...more });
const expressions = await openTargets();
const idOf = (name: string): string => testHost(name).hostId;

function faultOf(work: () => unknown): string {
  try {
    work();
    return "nothing";
  } catch (error) {
    return isFault(error) ? `${error.message} ${error.remedy ?? ""}` : String(error);
  }
}

test("@NAME means whoever an operator labelled group=NAME, and stays an expression", () => {
  const hosts = [candidate("web-1", { group: "front" }), candidate("web-2", { group: "back" }), candidate("db-1", { site: "gyor" })];
  const names = (more: TargetWish) => chooseTargets(hosts, more, expressions);
  const front = names(wish("@front"));
  expect([front.target, front.hosts.map(({ name }) => name), front.undecided]).toEqual([
    { expr: 'has(label.group) && label.group == "front"' },
    ["web-1"],
    undefined,
  ]);
  expect(names(wish("*", { except: ["@front"] })).hosts.map(({ name }) => name)).toEqual(["db-1", "web-2"]);
  expect([asksOfAll(wish("@front")), faultOf(() => names(wish("@moon"))), faultOf(() => names(wish("@front,web-2")))]).toEqual([
    true,
    expect.stringContaining("Cannot aim at @moon: no host is meant"),
    expect.stringContaining("@NAME"),
  ]);
});

test("what is typed becomes exactly what is signed", () => {
  const list = (...names: readonly string[]) => ({
    expr: `host.id in [${names
      .map(idOf)
      .toSorted((a, b) => (a < b ? -1 : 1))
      .map((id) => `"${id}"`)
      .join(", ")}]`,
  });
  const table: readonly (readonly [TargetWish, unknown, readonly string[]])[] = [
    [wish("web-1"), { host_id: idOf("web-1") }, ["web-1"]],
    [wish(idOf("db-1")), { host_id: idOf("db-1") }, ["db-1"]],
    [wish("web-*"), list("web-1", "web-2"), ["web-1", "web-2"]],
    [wish("web-1,db-1"), list("web-1", "db-1"), ["db-1", "web-1"]],
    [wish("*", { except: ["web-2"] }), list("web-1", "db-1"), ["db-1", "web-1"]],
    [wish("label.site == 'gyor'"), { expr: "label.site == 'gyor'" }, ["db-1", "web-1"]],
    [wish("label.site == 'gyor'", { except: ["db-*"] }), { expr: `(label.site == 'gyor') && !(host.id in ["${idOf("db-1")}"])` }, ["web-1"]],
    [
      wish("label.role == 'web'", { except: ["fact.memory.total_mb < 4096"] }),
      { expr: `(label.role == 'web') && !(host.id in ["${idOf("web-2")}"])` },
      ["web-1"],
    ],
    [wish("true", { from: ["web-2", idOf("db-1")] }), list("web-2", "db-1"), ["db-1", "web-2"]],
    [wish("true"), { expr: "true" }, ["db-1", "web-1", "web-2"]],
  ];
  for (const [asked, target, names] of table) {
    const chosen = chooseTargets(FLEET, asked, expressions);
    expect([asked, chosen.target, chosen.hosts.map(({ name }) => name)]).toEqual([asked, target, names] as never);
  }
  expect(chooseTargets(FLEET, wish("fact.memory.total_mb >= 4096"), expressions).undecided).toMatchObject({
    count: 1,
    because: expect.stringContaining("db-1"),
  });
  expect(guestTarget(FLEET, "db-1/vm-104").target).toEqual({ host_id: testHost("db-1").hostId, guest_id: "vm-104" });
  expect(["web-1", "web-*", "a,b", "true", "label.x == 'y'"].map((asked) => asksOfAll({ asked, except: [] }))).toEqual([false, false, false, true, true]);
});

test("a limit is drawn by the seed alone, and never more than asked", () => {
  const many = Array.from({ length: 40 }, (_, at) => candidate(`h-${at}`));
  const drawn = (limit: string, seed: string) => chooseTargets(many, wish("*", { limit, seed }), expressions);
  expect(drawn("10%", "a").hosts.length).toBe(4);
  expect(drawn("1%", "a").hosts.length).toBe(1);
  expect(drawn("100", "a").hosts.length).toBe(40);
  expect(drawn("7", "a").hosts).toEqual(drawn("7", "a").hosts);
  expect(drawn("7", "a").hosts).not.toEqual(drawn("7", "b").hosts);
  expect(drawn("7", "a").meant).toBe(40);
  expect(drawn("7", "a").target).toEqual({ expr: expect.stringMatching(/^host\.id in \[/) });
});

test("who is not there, not meant, or not understood is said, and nothing is aimed", () => {
  expect(faultOf(() => chooseTargets(FLEET, wish("web-3"), expressions))).toContain("Did you mean");
  expect(faultOf(() => chooseTargets(FLEET, wish("mail-*"), expressions))).toContain("no host is meant");
  expect(faultOf(() => chooseTargets(FLEET, wish("*", { except: ["*"] }), expressions))).toContain("after --except");
  expect(faultOf(() => chooseTargets(FLEET, wish("label.role = 'web'"), expressions))).toContain("Cannot aim");
  expect(faultOf(() => chooseTargets(FLEET, wish("label.role.matches('w+')"), expressions))).toContain("matches()");
  expect(faultOf(() => chooseTargets(FLEET, wish("*", { from: ["nobody"] }), expressions))).toContain("nobody are not among");
  expect(faultOf(() => chooseTargets(FLEET, wish("fact.nothing == 1"), expressions))).toContain("could not be decided");
  expect(faultOf(() => guestTarget(FLEET, "db-1"))).toContain("HOST/GUEST");
});

test("params are read by the kind's own schema", async () => {
  const files: Readonly<Record<string, string>> = { motd: "hello\n", "argv.json": '["a","b"]' };
  const read = (path: string) => Promise.resolve(utf8(files[path] ?? ""));
  const params = (kind: keyof typeof OP_KINDS, ...words: readonly string[]) => readParams(kind, words, {}, read);
  expect(await params("logs.tail", "unit=nginx", "lines=50", "since_s=5m")).toEqual({ unit: "nginx", lines: 50, since_s: 300 });
  expect(await params("file.put", "path=/etc/motd", "content=@motd", "mode=0600")).toEqual({
    path: "/etc/motd",
    content: base64(utf8("hello\n")),
    mode: "0600",
  });
  expect(await params("file.put", "path=/etc/motd", "content=@@home")).toMatchObject({ content: base64(utf8("@home")) });
  expect(await params("facts.get", "paths=os.name,os.version", "paths=memory")).toEqual({ paths: ["os.name", "os.version", "memory"] });
  expect(await params("package.upgrade", "all=yes")).toEqual({ all: true });
  expect(await params("converge.pause", "minutes=2h")).toEqual({ minutes: 120 });
  expect(await params("host.rekey", "key=box")).toEqual({ key: "box" });
  expect(await params("spec.apply", "generation=7", 'fields={"retire":{"from":"false","to":"true"}}')).toMatchObject({ generation: 7 });
  for (const bad of [["lines=a"], ["nope=1"], ["lines"], ["lines=1", "lines=2"], ["lines=0"]])
    expect(
      await params("logs.tail", ...bad).then(
        () => "taken",
        (error: unknown) => (isFault(error) ? error.code : "other"),
      ),
    ).toBe("bad_request");
  for (const kind of OP_KIND_NAMES)
    for (const key of Object.keys(OP_KINDS[kind].example)) expect([kind, paramNames(kind)]).toEqual([kind, expect.arrayContaining([key])]);
});

test("what is missing or can't be is said in the words of the command line", async () => {
  const said = (kind: keyof typeof OP_KINDS, ...words: readonly string[]): Promise<string> =>
    readParams(kind, words, {}, () => Promise.resolve(utf8(""))).then(
      (params) => JSON.stringify(params),
      (error: unknown) => faultOf(() => raiseIt(error)),
    );
  expect(await said("file.put", "path=/etc/motd", "content=x", "only_if=absent")).toContain('"only_if":"absent"');
  expect(await said("cmd.run")).toContain("felhom run box-1 cmd.run -- uptime -p");
  expect(await said("host.rekey")).toContain("key: is missing, it is one of box");
});

const answer = (changes: Partial<ReturnPayload>) =>
  accept(
    returnPayload.parse({
      v: 1,
      fleet_id: "f-aaaaaaaaaaaaaaaa",
      host_id: idOf("web-1"),
      op_id: "o-aaaaaaaaaaaaaaaa",
      op_sha256: "0".repeat(64),
      part: 0,
      state: "done",
      at: 5,
      ...changes,
    }),
  );
const told = (name: string, state: TargetState): OpTargetItem => ({
  host_id: hostId.parse(idOf(name)),
  name,
  state,
  since: 0,
  last_seen_at: null,
  code: null,
});

test("only a host's own signature says what it did; the hub's word counts for silence alone", () => {
  const outcome = (state: TargetState | undefined, ...verdicts: readonly Parameters<JobBook["heard"]>[2][]): Outcome => {
    const book = new JobBook();
    book.expect(idOf("web-1"), "web-1");
    if (state !== undefined) book.told(told("web-1", state));
    for (const verdict of verdicts) book.heard(idOf("web-1"), "web-1", verdict);
    return book.hosts()[0]?.outcome ?? "ok";
  };
  const forged = refuse("signature_bad");
  const table: readonly (readonly [Outcome, Outcome])[] = [
    [outcome(undefined), "waiting"],
    [outcome("delivered"), "waiting"],
    [outcome("running"), "running"],
    [outcome("silent"), "silent"],
    [outcome("expired"), "expired"],
    [outcome("cancelled"), "cancelled"],
    [outcome("returned"), "unverified"],
    [outcome("failed"), "unverified"],
    [outcome("refused"), "unverified"],
    [outcome("busy"), "unverified"],
    [outcome("returned", forged), "unverified"],
    [outcome("failed", answer({})), "ok"],
    [outcome("silent", answer({})), "ok"],
    [outcome("returned", answer({ state: "failed" })), "failed"],
    [outcome("returned", forged, answer({ state: "interrupted" })), "interrupted"],
    [outcome("waiting", answer({ state: "running" })), "running"],
    [outcome("returned", answer({}), answer({ state: "failed" })), "ok"],
  ];
  for (const [got, wanted] of table) expect(got).toBe(wanted);
});

test("output comes together by its parts, whatever their order, and a missing part is said", () => {
  const said = (...parts: readonly Partial<ReturnPayload>[]) => {
    const book = new JobBook();
    for (const part of parts) book.heard("h", "h", answer(part));
    return book.hosts()[0]?.answer;
  };
  const part = (at: number, text: string, state: ReturnPayload["state"] = "running") => ({ part: at, state, stdout: base64(utf8(text)) });
  const whole = said(part(1, "b"), part(0, "a"), part(1, "X"), part(2, "c", "done"));
  expect([whole?.incomplete, new TextDecoder().decode(whole?.stdout)]).toEqual([false, "abc"]);
  const gap = said(part(0, "a"), part(2, "c", "done"));
  expect([gap?.incomplete, answerLines(gap ?? raise()).at(-1)]).toEqual([true, "… incomplete: parts of the output are missing here"]);
  const small = new JobBook(4);
  small.heard("h", "h", answer(part(0, "12345", "done")));
  expect(small.hosts()[0]?.answer).toMatchObject({ incomplete: true });
});

test("bytes that are no text are told as such, and data is read as it is", () => {
  const of = (changes: Partial<ReturnPayload>) => {
    const book = new JobBook();
    book.heard("h", "h", answer(changes));
    return book.hosts()[0]?.answer ?? raise();
  };
  expect(answerLines(of({ stdout: base64(new Uint8Array([0, 1, 2])) }))[0]).toStartWith("3 B that are no text, sha256 ");
  expect(answerData(of({ stdout: base64(new Uint8Array([0xff])) }))).toMatchObject({ stdoutBase64: "/w==" });
  expect(answerLines(of({ data: { text: "line one\nline two\n" } }))).toEqual(["line one", "line two"]);
  expect(answerLines(of({ data: { a: 1, b: "x" } }))).toEqual(["a=1  b=x"]);
  const times = of({ data: { paused_until: 1_764_288_000_000, uptime_ms: 7_200_000, refuses_before: 1e300, mtime_ms: "soon", duration_ms: -1 } });
  expect(answerLines(times)).toEqual(["paused_until=2025-11-28T00:00:00Z  uptime=2 h  refuses_before=1e+300  mtime_ms=soon  duration_ms=-1"]);
  expect(answerData(times)["data"]).toMatchObject({ paused_until: 1_764_288_000_000, uptime_ms: 7_200_000 });
  expect(answerLines(of({ stdout: base64(utf8("o\n")), stderr: base64(utf8("e\n")), truncated: true }))).toEqual([
    "o",
    "stderr: e",
    "… cut: the box dropped what was above the limit of this op",
  ]);
});

test("the same answers are one group, the largest first", () => {
  const book = new JobBook();
  for (const [name, text] of [
    ["a", "x"],
    ["b", "y"],
    ["c", "y"],
  ] as const)
    book.heard(name, name, answer({ stdout: base64(utf8(text)) }));
  const groups = foldAnswers(book.hosts(), ({ answer: given }) => answerLines(given ?? raise()));
  expect(groups.map(({ hosts }) => hosts.map(({ name }) => name))).toEqual([["b", "c"], ["a"]]);
});

test("exit codes: a lie beats a failure, a failure beats silence", () => {
  const counts = { ok: 1, failed: 0, refused: 0, busy: 0, interrupted: 0, cancelled: 0, expired: 0, silent: 0, unverified: 0, running: 0, waiting: 0 };
  expect(jobExit(counts, false)).toBe(0);
  for (const outcome of ["failed", "refused", "busy", "interrupted"] as const) expect(jobExit({ ...counts, silent: 1, [outcome]: 1 }, true)).toBe(4);
  for (const outcome of ["silent", "expired", "cancelled", "running", "waiting"] as const) expect(jobExit({ ...counts, [outcome]: 1 }, false)).toBe(5);
  expect(jobExit({ ...counts, waiting: 1 }, true)).toBe(124);
  expect(jobExit({ ...counts, failed: 1, unverified: 1 }, false)).toBe(7);
});

test("a retry never asks a host that ran it, or that still may, unless twice is once", () => {
  const book = new JobBook();
  const states: readonly TargetState[] = ["waiting", "delivered", "running", "silent", "expired", "cancelled"];
  for (const state of states) book.told(told(state, state));
  for (const state of ["done", "failed", "interrupted", "refused", "busy", "cancelled"] as const) book.heard(`x-${state}`, `x-${state}`, answer({ state }));
  const names = (rules: Parameters<typeof retryHosts>[1]) => retryHosts(book.hosts(), rules).again.map(({ name }) => name);
  expect(names({ idempotent: false, failedToo: false })).toEqual(["cancelled", "expired", "x-busy", "x-refused"]);
  expect(names({ idempotent: true, failedToo: false })).toEqual(["cancelled", "expired", "silent", "x-busy", "x-cancelled", "x-refused"]);
  expect(names({ idempotent: false, failedToo: true })).toEqual([
    "cancelled",
    "expired",
    "silent",
    "x-busy",
    "x-cancelled",
    "x-failed",
    "x-interrupted",
    "x-refused",
  ]);
});

function raiseIt(error: unknown): never {
  throw error;
}

function raise(): never {
  throw new Error("there is an answer");
}
