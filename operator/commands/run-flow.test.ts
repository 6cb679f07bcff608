import { expect, test } from "bun:test";
import { base64, utf8 } from "../../shared/core/bytes.ts";
import { type Says, speakers } from "../../shared/sim/speaker.ts";
import { type TestHub, testHub } from "../../shared/sim/test-hub.ts";
import { answer } from "../../shared/sim/test-hub-op.ts";
import { testWorkstation, type Ran, type TestWorkstation } from "../../shared/sim/test-workstation.ts";
import { testKey } from "../../shared/sim/test-fleet.ts";
import type { ReturnPayload } from "../../shared/trust/payloads.ts";

/** `run`, `job` and `op` against the hub's own routes, with boxes that speak the wire and say what a test tells them to. */
const text = (stdout: string, more: Partial<ReturnPayload> = {}): readonly Partial<ReturnPayload>[] => [
  { state: "done", exit: 0, duration_ms: 12, stdout: base64(utf8(stdout)), ...more },
];

async function desk(hub: TestHub): Promise<{ readonly desk: TestWorkstation; readonly pass: readonly string[] }> {
  const made = await testWorkstation(hub);
  return { desk: made, pass: ["--yes", "--passphrase-file", made.passphraseFile] };
}

const lines = (ran: Ran): readonly Readonly<Record<string, unknown>>[] =>
  ran.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

test("a command is shown from its own bytes, signed, run, and its answers are folded", async () => {
  using hub = await testHub();
  const { desk: at, pass } = await desk(hub);
  const [a, b, c] = await speakers(hub, "kovacs-1", "dental-1", "gyor-2");
  if (b === undefined || c === undefined) throw new Error("three boxes");
  const running = at.run(["run", "*", "cmd.run", "--time-limit", "30s", ...pass, "--", "uptime", "-p", "--ascii"]);
  const same: Says = () => text("up 3 days\n");
  await Promise.all([a.serve(same), b.serve(same), c.serve(() => [{ state: "failed", exit: 1, stderr: base64(utf8("uptime: no such \u001b[2Jthing\n")) }])]);
  const ran = await running;
  expect(ran.stderr).toContain("run uptime -p --ascii");
  expect(ran.stderr).toContain("for at most 30 s");
  expect(ran.stderr).toContain("all 3 hosts");
  expect(ran.stdout).toContain("2 answers in 1 group");
  expect(ran.stdout).toContain("dental-1, kovacs-1");
  expect(ran.stdout).toContain("up 3 days");
  expect(ran.stdout).toMatch(/failed {2}gyor-2 {2}exit 1 {2}uptime: no such \\x1b\[2Jthing/);
  expect(ran.stdout).toContain("3 hosts: ok 2 · failed 1");
  expect(ran.code).toBe(4);
  const results = await at.run("job results last");
  expect(results.code).toBe(4);
  expect(results.stdout).toBe(ran.stdout);
});

test("jsonl: targets, started, return, failed, summary last; what is signed names exactly the hosts that were shown", async () => {
  using hub = await testHub();
  const { desk: at, pass } = await desk(hub);
  const [a, b] = await speakers(hub, "web-1", "web-2", "db-1");
  if (b === undefined) throw new Error("boxes");
  const running = at.run(["run", "web-*", "cmd.run", ...pass, "-o", "jsonl", "--", "true"]);
  await Promise.all([
    a.serve(() => [
      { state: "running", stdout: base64(utf8("one\n")) },
      { state: "done", exit: 0, stdout: base64(utf8("two\n")) },
    ]),
    b.serve(() => [{ state: "refused", code: "op_policy" }]),
  ]);
  const ran = await running;
  expect(ran.stderr).toBe("");
  const all = lines(ran);
  expect(all.map(({ type }) => String(type)).toSorted((a, b) => (a < b ? -1 : 1))).toEqual(["failed", "return", "started", "summary", "targets"]);
  expect(all[0]).toMatchObject({
    type: "targets",
    count: 2,
    of: 3,
    opKind: "cmd.run",
    target: { expr: expect.stringMatching(/^host\.id in \["h-.*", "h-.*"\]$/) },
  });
  expect(all.find(({ type }) => type === "return")).toMatchObject({ host: "web-1", verified: true, exit: 0, stdout: "one\ntwo\n" });
  expect(all.find(({ type }) => type === "failed")).toMatchObject({ host: "web-2", outcome: "refused", code: "op_policy" });
  expect(all.at(-1)).toMatchObject({ type: "summary", ok: 1, failed: 1, exit: 4, hosts: 2 });
  expect(ran.code).toBe(4);
});

test("ping needs no passphrase and no question; --sign signs it", async () => {
  using hub = await testHub();
  const { desk: at, pass } = await desk(hub);
  const [box] = await speakers(hub, "kovacs-1");
  const pinging = at.run(["run", "kovacs-1", "ping", "--no-input"]);
  await box.serve(() => [{ state: "done", data: { version: "1.2.3", uptime_ms: 5 } }]);
  const ran = await pinging;
  expect([ran.code, ran.stdout]).toEqual([0, "  ✓ kovacs-1\n      version=1.2.3  uptime=5 ms\n\n  1 host: ok 1\n"]);
  const signed = at.run(["run", "kovacs-1", "ping", "--sign", ...pass]);
  await box.serve(() => [{ state: "done", data: {} }]);
  expect((await signed).code).toBe(0);
  const shown = await at.run("job show last -o json");
  expect(JSON.parse(shown.stdout)).toMatchObject({ kind: "Op", opKind: "ping", state: "done", signatures: [hub.fleet.key.keyId] });
});

test("an answer that the host did not sign is shown as unverified, and is exit 7", async () => {
  using hub = await testHub();
  const { desk: at, pass } = await desk(hub);
  const [box] = await speakers(hub, "kovacs-1");
  const id = JSON.parse((await at.run(["run", "kovacs-1", "cmd.run", "--detach", "-o", "json", ...pass, "--", "true"])).stdout).id;
  await box.serve(() => text("all is well\n"));
  const honest = await at.run(`job results ${id}`);
  expect([honest.code, honest.stdout.includes("all is well")]).toEqual([0, true]);
  // The hub swaps the answer for one of its own making.
  at.intercept(async (request, send) => {
    const reply = await send();
    if (!request.url.includes("/returns")) return reply;
    const body = JSON.parse(new TextDecoder().decode(reply.body));
    for (const item of body.items) {
      const payload = JSON.parse(Buffer.from(item.envelope.payload, "base64").toString());
      const forged = answer(
        box.box,
        { id: payload.op_id, sha256: payload.op_sha256 },
        { ...payload, stdout: base64(utf8("all is lost\n")) },
        testKey("the hub"),
      );
      item.envelope = forged;
    }
    return { ...reply, body: utf8(JSON.stringify(body)) };
  });
  const forged = await at.run(`job results ${id}`);
  expect(forged.stdout).toMatch(/unverified {2}kovacs-1 {2}key_unknown, no signature by/);
  expect(forged.stdout).not.toContain("all is lost");
  expect(forged.code).toBe(7);
  // Or gives none, and says that it returned.
  at.intercept(async (request, send) => {
    const reply = await send();
    return request.url.includes("/returns") ? { ...reply, body: utf8(JSON.stringify({ items: [] })) } : reply;
  });
  const none = await at.run(`job results ${id}`);
  expect([none.code, none.stdout.includes("the hub says returned, and gives no answer that the host signed")]).toEqual([7, true]);
});

test("boxes that are away do not hold the command up: exit 5, and the op stays for them", async () => {
  using hub = await testHub();
  const { desk: at, pass } = await desk(hub);
  const [up] = await speakers(hub, "up", "away");
  const running = at.run(["run", "up,away", "cmd.run", ...pass, "--expires", "6h", "--", "true"]);
  await up.serve(() => text(""));
  for (let tick = 0; tick < 14; tick += 1) await hub.world.clock.advance(1_000);
  const ran = await running;
  expect(ran.code).toBe(5);
  expect(ran.stdout).toMatch(/waiting {2}away {2}last seen .* ago; the op waits for it, 5 h more/);
  expect(ran.stderr).toContain("Next: felhom job follow o-");
});

test("a draft waits at the hub for signatures, no box has it, and it can be taken back", async () => {
  using hub = await testHub();
  const { desk: at, pass } = await desk(hub);
  const [box] = await speakers(hub, "kovacs-1");
  const draft = await at.run(["op", "draft", "kovacs-1", "host.reboot", "--note", "after the kernel", "--yes", "-o", "json"]);
  expect([draft.code, draft.stderr]).toEqual([0, ""]);
  const listed = await at.run("op list");
  expect(listed.stdout).toContain("0 of 1 signed");
  expect((await box.box.sync()).json.ops ?? []).toEqual([]);
  const { id } = JSON.parse(draft.stdout);
  const follow = await at.run(`job follow ${id}`);
  expect([follow.code, follow.stderr.includes("it waits for signatures")]).toEqual([9, true]);
  const cancelled = await at.run(["op", "cancel", id.slice(0, 7), ...pass.slice(0, 1)]);
  expect([cancelled.code, cancelled.stdout]).toEqual([0, `  · ${id} taken back\n`]);
  expect((await at.run("op list")).stdout).toBe("  Nothing is on its way, and nothing waits for a signature.\n");
});

test("who drafted is told by the name of the key, and the drafter's note as the drafter's words, harmlessly", async () => {
  using hub = await testHub();
  const { desk: at } = await desk(hub);
  await speakers(hub, "kovacs-1");
  const nasty = 'after the kernel"\n  digest     0000\u001b[2J\u202e';
  const draft = await at.run(["op", "draft", "kovacs-1", "host.reboot", "--note", nasty, "--yes", "-o", "json"]);
  const { id } = JSON.parse(draft.stdout);
  for (const screen of [`op show ${id}`, `sign show ${id}`, "op list -o wide"]) {
    const { stdout } = await at.run(screen, { columns: 400, tty: true });
    expect([screen, stdout]).toEqual([screen, expect.stringMatching(/test \([a-z2-7]{8}\)/)]);
    expect([screen, stdout]).toEqual([screen, expect.stringContaining("after the kernel")]);
    expect([screen, /\u001b\[2J|\u202e|^ {2}digest {5}0000/m.test(stdout)]).toEqual([screen, false]);
    if (screen !== "op list -o wide") expect(stdout).toContain('so says its drafter, unsigned: "after the kernel\\"\\n');
  }
  expect(JSON.parse((await at.run(`op show ${id} -o json`)).stdout).note).toBe(nasty);
});

test("cancel takes it back from those who do not have it; retry is for those who did not run it", async () => {
  using hub = await testHub();
  const { desk: at, pass } = await desk(hub);
  const [a, b] = await speakers(hub, "a", "b");
  if (b === undefined) throw new Error("two boxes");
  const sent = await at.run(["run", "*", "service.restart", "name=nginx", "--detach", "-o", "name", ...pass]);
  const id = sent.stdout.trim();
  expect(id).toMatch(/^o-[a-z2-7]{16}$/);
  await a.serve(() => [{ state: "done" }]);
  const cancelled = await at.run(["job", "cancel", id, "--yes"]);
  expect([cancelled.code, cancelled.stdout]).toEqual([0, `  · ${id} taken back\n`]);
  const results = await at.run(`job results ${id}`);
  expect([results.code, results.stdout.includes("cancelled  b")]).toEqual([5, true]);
  const retrying = at.run(["job", "retry", id, "-o", "jsonl", ...pass]);
  await b.serve(() => [{ state: "done" }]);
  const retried = await retrying;
  expect(lines(retried)[0]).toMatchObject({ type: "targets", target: { host_id: b.box.keys.hostId } });
  expect(retried.code).toBe(0);
  const none = await at.run(["job", "retry", "last", ...pass]);
  expect([none.code, none.stderr.includes("there is no host that did not run it")]).toEqual([1, true]);
});

test("wrong words are refused before anything is signed or asked", async () => {
  using hub = await testHub();
  const { desk: at, pass } = await desk(hub);
  await speakers(hub, "kovacs-1", "dental-1");
  const table: readonly (readonly [readonly string[], number, string])[] = [
    [["kovacs-1", "cmd.rum"], 2, "Did you mean cmd.run?"],
    [["kovacs-1", "cmd.run", "uptime"], 2, "A command comes after --"],
    [["kovacs-1", "cmd.run"], 2, "Cannot run cmd.run"],
    [["kovacs-1", "logs.tail", "lines=many"], 2, "a whole number is wanted"],
    [["kovacs-1", "logs.tail", "line=5"], 2, "Did you mean lines?"],
    [["kovacs-1", "ping", "--user", "root"], 2, "it is for cmd.run"],
    [["kovacs-2", "ping"], 1, "Did you mean kovacs-1?"],
    [["label.site ==", "ping"], 2, "the expression is not understood"],
    [["label.site == 'x'", "ping"], 1, "no host is meant"],
    [["*", "ping", "--limit", "0"], 2, "--limit takes"],
    [["*", "ping", "--limit", "5%%"], 2, "--limit takes"],
    [["kovacs-1", "ping", "--expires", "31d"], 2, "at most 30d"],
    [["kovacs-1", "guest.stop"], 2, "HOST/GUEST"],
    [["kovacs-1", "ping", "--batch", "0"], 2, "felhom run --help shows what it takes"],
    [["kovacs-1", "host.reboot", "--pause", "3s"], 2, "It needs --batch N."],
  ];
  for (const [words, code, said] of table) {
    const ran = await at.run(["run", ...words, ...pass]);
    expect({ words, code: Number(ran.code), said: ran.stderr.includes(said) ? said : ran.stderr }).toEqual({ words, code, said });
  }
  expect((await at.run("op list --all")).stdout).toBe("  No op yet.\n");
});

test("what no box was ever given has no answers: whoever asks for them is told why", async () => {
  using hub = await testHub();
  const { desk: at } = await desk(hub);
  await speakers(hub, "kovacs-1");
  await at.run("op draft kovacs-1 converge.now --yes");
  for (const verb of ["follow", "results"])
    expect(await at.run(`job ${verb} last`)).toMatchObject({ code: 9, stdout: "", stderr: expect.stringContaining("it waits for signatures") });
  await at.run("op cancel last --yes");
  for (const verb of ["follow", "results", "retry"])
    expect(await at.run(`job ${verb} last`)).toMatchObject({ code: 9, stdout: "", stderr: expect.stringContaining("it was taken back before it was signed") });
  // So nothing sends anybody there.
  for (const screen of ["op show last", "job list"]) expect((await at.run(screen)).stderr).not.toContain("job results");
});

test("what can't be undone needs the host's name; --yes is not enough, and a dry run signs nothing", async () => {
  using hub = await testHub();
  const { desk: at, pass } = await desk(hub);
  await speakers(hub, "kovacs-1");
  const words = ["run", "kovacs-1", "agent.forget"];
  const kind = (await at.run([...words, "--dry-run", "-o", "json"])).stdout;
  expect(JSON.parse(kind)).toMatchObject({ class: "destroy", dryRun: true });
  const unsure = await at.run([...words, ...pass]);
  expect([unsure.code, unsure.stderr.includes("Add --confirm kovacs-1")]).toEqual([2, true]);
  const wrong = await at.run([...words, ...pass.slice(1)], { answers: ["kovacs-2"] });
  expect([wrong.code, wrong.stderr.includes("the name was not typed")]).toEqual([1, true]);
  expect((await at.run("op list --all")).stdout).toBe("  No op yet.\n");
  const right = await at.run([...words, ...pass.slice(1), "--detach", "-o", "name"], { answers: ["kovacs-1"] });
  expect([right.code, right.stdout]).toEqual([0, expect.stringMatching(/^o-/)]);
});
