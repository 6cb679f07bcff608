/* oxlint-disable typescript/unbound-method -- what a scene gives has no `this` */
/**
 * felhom-sign against a real hub, against a hub that lies in every way a courier can, and between two operators. What counts in each
 * is which bytes ended up signed.
 */
import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { base64, fromBase64, utf8 } from "../../shared/core/bytes.ts";
import { newOp } from "../../shared/ops/new-op.ts";
import type { NetReply, NetRequest } from "../../shared/ports/net.ts";
import { FLEET_MADE_MS, testKey, valueOf } from "../../shared/sim/test-fleet.ts";
import { testHub, type TestHub } from "../../shared/sim/test-hub.ts";
import { type TestWorkstation, testWorkstation } from "../../shared/sim/test-workstation.ts";
import { wireBox } from "../../shared/sim/wire-box.ts";
import { standingOf } from "../../shared/trust/op.ts";
import { type OpPayload, type OpTarget, rootPayload } from "../../shared/trust/payloads.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";
import { addKey } from "../core/vault/edit-contents.ts";
import { KDF_RANGE } from "../core/vault/vault-file.ts";
import { editVault } from "../edge/vault.ts";
import { Workstation } from "../edge/workstation.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- what a test looks into is whatever came
type Loose = any;

const HOUR_MS = 3_600_000;

interface Scene {
  readonly hub: TestHub;
  readonly desk: TestWorkstation;
  readonly box: Awaited<ReturnType<typeof wireBox>>;
  readonly drafter: string;
  readonly pass: string;
  /** A draft at the hub, made by an API token as a console would. */
  draft(
    kind: string,
    params?: Readonly<Record<string, unknown>>,
    target?: OpTarget,
    changes?: { readonly reason?: string },
  ): Promise<{ readonly id: string; readonly sha256: string; readonly bytes: Uint8Array }>;
  /** The hub's own idea of an op. */
  at(id: string): Promise<Loose>;
}

async function scene(hub: TestHub): Promise<Scene> {
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "kovacs-1");
  const pass = `--passphrase-file ${desk.passphraseFile}`;
  await desk.run(`host approve kovacs-1 --words ${box.words} --label site=kovacs --yes ${pass}`);
  await box.collect();
  await box.sync({ report: {} });
  const drafter = await hub.token("operator");
  const admin = await hub.logIn();
  return {
    hub,
    desk,
    box,
    drafter,
    pass,
    draft: async (kind, params = {}, target = { host_id: box.hostId }, { reason } = {}) => {
      const made = valueOf(
        newOp(
          { fleetId: hub.fleet.root.payload.fleet_id, kind, params, target, issuedAt: hub.world.clock.wallMs(), lifetimeMs: HOUR_MS, reason },
          hub.world.crypto,
        ),
      );
      const reply = await hub.ask("POST", "/api/v1/ops/drafts", { token: drafter, body: { payload: base64(made.bytes) } });
      expect(reply.status).toBe(201);
      return { id: made.payload.id, sha256: made.sha256, bytes: made.bytes };
    },
    at: async (id) => (await hub.ask("GET", `/api/v1/ops/${id}`, { token: admin })).json.item,
  };
}

const signersAt = async ({ hub, at }: Scene, id: string): Promise<number> => {
  const item = await at(id);
  return standingOf(fromBase64(item.payload) ?? new Uint8Array(), item.signatures, "change", hub.fleet.root).signers.length;
};

describe("felhom-sign --pending", () => {
  test("lists, shows, asks; no is the default and --yes is no answer", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const { desk, pass, draft } = at;
    expect(await desk.run("sign pending")).toMatchObject({ code: 0, stdout: expect.stringContaining("Nothing waits for a signature.") });
    const op = await draft("service.restart", { name: "nginx" }, undefined, { reason: "the new certificate" });
    const listed = await desk.run("sign pending -o json");
    expect(listed.code).toBe(6);
    expect(JSON.parse(listed.stdout)).toMatchObject({
      kind: "PendingOpList",
      items: [{ id: op.id, kind: "service.restart", class: "change", risk: "medium", digest: `sha256:${op.sha256}`, signed: [], threshold: 1 }],
    });
    expect(JSON.parse(listed.stdout).items[0]).toMatchObject({
      target: { host_id: at.box.hostId },
      targets: 1,
      does: ["restart the service nginx"],
      reason: "the new certificate",
    });
    expect((await desk.run("sign show last -o json")).stdout).toContain(op.sha256);
    expect(await signersAt(at, op.id)).toBe(0);
    for (const answer of ["", "n", "no", "yo"]) expect(await desk.run(`sign pending ${pass}`, { answers: [answer] })).toMatchObject({ code: 6 });
    expect(await signersAt(at, op.id)).toBe(0);
    const done = await desk.run(`sign pending ${pass}`, { answers: ["y"] });
    expect(done.code).toBe(0);
    for (const said of ["restart the service nginx", "kovacs-1", at.box.hostId, "the new certificate", "nobody signed yet", "(the hub says so)", "1 op signed"])
      expect(done.stdout).toContain(said);
    expect(done.stderr).toContain(`Next: felhom job follow ${op.id}`);
    expect([await signersAt(at, op.id), (await at.at(op.id)).state]).toEqual([1, "signed"]);
    const receipt = JSON.parse(readFileSync(join(desk.home, "signing", "receipts", `${op.id}.json`), "utf8"));
    expect(receipt).toMatchObject({ op_id: op.id, sha256: op.sha256, kind: "service.restart" });
    expect((await desk.run("sign pending")).code).toBe(0);
  });

  test("a passphrase that is wrong is asked for again, three times in all, and never shown", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const right = readFileSync(at.desk.passphraseFile, "utf8").trim();
    const op = await at.draft("service.restart", { name: "nginx" });
    const wrong = await at.desk.run("sign pending", { answers: ["y", "guess-one", "guess-two", "guess-three", right] });
    expect([wrong.code, wrong.terminal.questions().length, (await at.at(op.id)).signatures]).toEqual([7, 4, []]);
    expect(wrong.stderr).toContain("the passphrase is wrong, or the file was changed");
    expect(wrong.stdout + wrong.stderr).not.toContain("guess-");
    const file = join(hub.world.dir, "wrong");
    await Bun.write(file, "guess-one\n", { mode: 0o600 });
    const once = await at.desk.run(`sign pending --passphrase-file ${file}`, { answers: ["y", "n"] });
    expect([once.code, once.terminal.questions()]).toEqual([7, ["Sign it? [y/N] "]]);
    const done = await at.desk.run("sign pending", { answers: ["y", "", "guess-two", right] });
    expect(done.terminal.questions().slice(1)).toEqual([
      "Passphrase of the vault: ",
      "It did not open. Passphrase of the vault (try 2 of 3): ",
      "It did not open. Passphrase of the vault (try 3 of 3): ",
    ]);
    expect([done.code, (await at.at(op.id)).state]).toEqual([0, "signed"]);
  });

  test("what can't be undone needs the host's name typed", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const op = await at.draft("agent.forget");
    for (const answer of ["y", "yes", "", "kovacs"]) expect(await at.desk.run(`sign pending ${at.pass}`, { answers: [answer] })).toMatchObject({ code: 6 });
    expect((await at.at(op.id)).signatures).toEqual([]);
    const done = await at.desk.run(`sign pending ${at.pass}`, { answers: ["kovacs-1"] });
    expect([done.code, (await at.at(op.id)).state]).toEqual([0, "signed"]);
    expect(done.terminal.questions()).toEqual(["Type kovacs-1 to sign, empty line to go on: "]);
  });

  test("without a person only whole digests are signed, and what can't be undone only with its name besides", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const change = await at.draft("service.restart", { name: "nginx" });
    const forget = await at.draft("agent.forget");
    const run = (rest: string) => at.desk.run(`sign pending --no-input ${at.pass} ${rest}`);
    expect((await run("")).code).toBe(2);
    expect((await run(`--digest ${change.sha256.slice(0, 16)}`)).code).toBe(2);
    expect((await run(`--digest sha256:${"0".repeat(64)}`)).code).toBe(7);
    expect((await run(`--digest ${forget.sha256}`)).code).toBe(2);
    expect((await run(`--digest ${forget.sha256} --confirm kovacs-2`)).code).toBe(2);
    expect((await at.at(forget.id)).signatures).toEqual([]);
    expect((await run(`--digest sha256:${change.sha256}`)).code).toBe(0);
    expect((await run(`--digest ${forget.sha256} --confirm kovacs-1 -o json`)).code).toBe(0);
    expect([(await at.at(change.id)).state, (await at.at(forget.id)).state]).toEqual(["signed", "signed"]);
  });

  test("a batch is of low risk only", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const low = [await at.draft("converge.now"), await at.draft("file.get", { path: "/etc/motd" })];
    const more = [await at.draft("cmd.run", { argv: ["/bin/true"] }), await at.draft("agent.forget")];
    const done = await at.desk.run(`sign pending --batch ${at.pass}`, { answers: ["y"] });
    expect([done.code, done.terminal.questions()]).toEqual([6, ["Sign these 2? [y/N] "]]);
    expect(done.stderr).toContain("2 ops of more than low risk are left out");
    expect(await Promise.all([...low, ...more].map(async ({ id }) => (await at.at(id)).state))).toEqual(["signed", "signed", "draft", "draft"]);
  });

  test("what is unusual is said: a drafter never seen, a host that signed nothing lately, an aim by what boxes claim", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    await at.draft("converge.now", {}, { expr: "has(fact.os) && fact.os.family == 'debian'" });
    const first = await at.desk.run("sign pending", { answers: [""] });
    for (const said of [
      "the first op drafted by",
      "it is aimed by what boxes claim of themselves: fact.os",
      "1 host may be meant, but signed no facts to tell by: kovacs-1",
    ])
      expect(first.stdout).toContain(said);
    await at.draft("ping");
    await at.desk.run(`sign pending ${at.pass}`, { answers: ["y", "y"] });
    await at.draft("converge.now");
    const later = await at.desk.run("sign pending", { answers: [""] });
    expect(later.stdout).not.toContain("the first op drafted by");
  });

  test("sign show has every line, and sign verify judges a file without a hub", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const script = Array.from({ length: 100 }, (_, line) => `echo line ${line}`).join("\n");
    const op = await at.draft("cmd.run", { script });
    const short = await at.desk.run("sign pending", { answers: [""] });
    expect([short.stdout.includes("echo line 99"), short.stdout.includes("more lines of it are not shown here")]).toEqual([false, true]);
    expect((await at.desk.run(`sign show ${op.id}`)).stdout).toContain("| echo line 99");
    await at.desk.run(`sign pending ${at.pass}`, { answers: ["y"] });
    const file = join(at.desk.home, "op.json");
    const receipt = JSON.parse(readFileSync(join(at.desk.home, "signing", "receipts", `${op.id}.json`), "utf8"));
    await Bun.write(file, JSON.stringify(receipt.envelope));
    expect(JSON.parse((await at.desk.run(`sign verify ${file} -o json`)).stdout)).toMatchObject({ complete: true, id: op.id });
    await Bun.write(file, JSON.stringify({ ...receipt.envelope, signatures: [{ keyid: "nobody", sig: receipt.envelope.signatures[0].sig }] }));
    expect((await at.desk.run(`sign verify ${file}`)).code).toBe(6);
    await Bun.write(file, JSON.stringify({ ...receipt.envelope, payload: base64(utf8("{}")) }));
    expect((await at.desk.run(`sign verify ${file}`)).code).toBe(7);
  });
});

describe("a hostile hub", () => {
  /** Rewrites the items of the list of ops; everything else goes through. */
  const lying =
    (change: (items: Loose[]) => void) =>
    async (request: NetRequest, send: () => Promise<NetReply>): Promise<NetReply> => {
      const reply = await send();
      if (request.method !== "GET" || !request.url.includes("/api/v1/ops")) return reply;
      const json = JSON.parse(new TextDecoder().decode(reply.body));
      if (json.items === undefined) return reply;
      change(json.items);
      return { ...reply, body: utf8(JSON.stringify(json)) };
    };
  const rewritten = (item: Loose, change: Partial<OpPayload>): string =>
    base64(utf8(JSON.stringify({ ...JSON.parse(Buffer.from(item.payload, "base64").toString()), ...change })));

  test("attack 18: text of the hub beside the payload is held against it, and what does not fit can't be signed", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const op = await at.draft("service.restart", { name: "nginx" });
    for (const change of [
      (item: Loose) => (item.kind = "ping"),
      (item: Loose) => (item.op_id = "o-aaaaaaaaaaaaaaaa"),
      (item: Loose) => (item.payload = `${item.payload}=`),
      (item: Loose) => (item.payload = base64(utf8("{}"))),
      (item: Loose) => (item.payload = rewritten(item, { kind: "host.paint" })),
      (item: Loose) => (item.payload = rewritten(item, { params: { name: "nginx", also: "rm" } })),
      (item: Loose) => (item.payload = rewritten(item, { fleet_id: "f-aaaaaaaaaaaaaaaa" as OpPayload["fleet_id"] })),
      (item: Loose) => (item.payload = base64(utf8(Buffer.from(item.payload, "base64").toString().replace("{", '{"kind":"ping",')))),
    ]) {
      at.desk.intercept(lying((items) => items.forEach(change)));
      const shown = await at.desk.run(`sign pending ${at.pass}`, { answers: ["y", "y"] });
      expect([shown.code, shown.terminal.questions(), shown.stdout.includes("refused")]).toEqual([0, [], true]);
    }
    at.desk.intercept(undefined);
    expect((await at.at(op.id)).signatures).toEqual([]);
  });

  test("a payload rewritten in the list is signed by nobody who pinned its digest, and shown as what it is to who looks", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const op = await at.draft("service.restart", { name: "nginx" });
    at.desk.intercept(lying((items) => items.forEach((item) => (item.payload = rewritten(item, { params: { name: "sshd" } })))));
    expect((await at.desk.run(`sign pending --no-input --digest ${op.sha256} ${at.pass}`)).code).toBe(7);
    const shown = await at.desk.run("sign pending", { answers: [""] });
    expect([shown.stdout.includes("restart the service sshd"), shown.stdout.includes("nginx")]).toEqual([true, false]);
  });

  test("a payload rewritten between listing and signing: the signature is for what was on the screen, and the lie is told", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const op = await at.draft("service.restart", { name: "nginx" });
    const uploads: Loose[] = [];
    at.desk.intercept(async (request, send) => {
      if (request.method !== "POST" || !request.url.includes("/signatures")) return send();
      uploads.push(JSON.parse(new TextDecoder().decode(request.body)));
      const item = { ...(await at.at(op.id)), signatures: [uploads[0]] };
      return {
        status: 200,
        headers: {},
        body: utf8(JSON.stringify({ apiVersion: "felhom/v1", kind: "Op", item: { ...item, payload: rewritten(item, { params: { name: "sshd" } }) } })),
      };
    });
    const done = await at.desk.run(`sign pending ${at.pass}`, { answers: ["y"] });
    expect([done.code, done.stderr.includes("the hub answers with other bytes")]).toEqual([7, true]);
    expect(standingOf(op.bytes, uploads, "change", hub.fleet.root).signers).toHaveLength(1);
    const other = utf8(Buffer.from(op.bytes).toString().replace("nginx", "sshd"));
    expect(standingOf(other, uploads, "change", hub.fleet.root).signers).toHaveLength(0);
  });

  test("reordered, doubled, two ops under one id: our own order, once each, and neither of two", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const risky = await at.draft("agent.forget");
    const small = await at.draft("ping");
    const order = async (change: (items: Loose[]) => void): Promise<readonly string[]> => {
      at.desk.intercept(lying(change));
      return JSON.parse((await at.desk.run("sign pending -o json")).stdout).items.map((item: Loose) =>
        item.refused === undefined ? item.id : `refused ${item.refused}`,
      );
    };
    expect(await order(() => undefined)).toEqual([risky.id, small.id]);
    expect(await order((items) => items.reverse())).toEqual([risky.id, small.id]);
    expect(await order((items) => items.push(...items.slice()))).toEqual([risky.id, small.id]);
    const twins = await order((items) => {
      const [ping] = items.filter((item) => item.kind === "ping");
      items.push({ ...ping, payload: rewritten(ping, { reason: "look here" }) });
    });
    expect(twins).toEqual([risky.id, "refused op_mismatch", "refused op_mismatch"]);
  });

  test("terminal escapes, line breaks and bidi marks in everything that is foreign come out as text", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const nasty = "\u001b[2J\u001b]0;x\u0007\r  target     other-host\u202e\u200b";
    await at.draft("cmd.run", { script: `echo hi\n${nasty}\n`, env: { A: nasty } }, undefined, { reason: nasty });
    at.desk.intercept(lying((items) => items.forEach((item) => (item.drafted_by = nasty))));
    for (const run of [await at.desk.run("sign pending", { answers: [""], tty: true, columns: 60 }), await at.desk.run("sign pending -o json")]) {
      // oxlint-disable-next-line no-control-regex -- these are what must not come through
      expect(run.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u200b-\u200f\u2066-\u2069]/);
    }
    at.desk.intercept(lying((items) => items.forEach((item) => (item.kind = nasty))));
    const refused = await at.desk.run("sign pending");
    // oxlint-disable-next-line no-control-regex -- the same
    expect(refused.stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u200b-\u200f\u2066-\u2069]/);
  });

  test("a long line can't put words where our labels stand", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const filler = "x".repeat(60 - 12 - "  | echo ".length);
    await at.draft("cmd.run", { script: `echo ${filler}  target     harmless-host` });
    const shown = await at.desk.run("sign pending", { answers: [""], tty: true, columns: 60 });
    // Nothing is left for the terminal to wrap: what goes on does so behind our indent.
    expect(shown.stdout.split("\n").filter((line) => Bun.stringWidth(line) > 60)).toEqual([]);
    expect(shown.stdout.split("\n").filter((line) => /^ {0,2}target/.test(line.trimEnd()))).toHaveLength(1);
  });

  test("signatures that count for nothing are named, not counted", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    const op = await at.draft("service.restart", { name: "nginx" });
    const sig = base64(new Uint8Array(64).fill(7));
    at.desk.intercept(
      lying((items) =>
        items.forEach(
          (item) =>
            (item.signatures = [
              { keyid: hub.fleet.key.keyId, sig },
              { keyid: testKey("mallory").keyId, sig },
            ]),
        ),
      ),
    );
    const shown = await at.desk.run(`sign pending ${at.pass}`, { answers: ["y"] });
    expect(shown.stdout).toContain("2 signatures on it do not count");
    at.desk.intercept(undefined);
    expect(await signersAt(at, op.id)).toBe(1);
  });

  test("whom it would reach can't be verified: nothing that can't be undone is signed", async () => {
    using hub = await testHub();
    const at = await scene(hub);
    await at.draft("agent.forget");
    at.desk.intercept(async (request, send) => {
      const reply = await send();
      if (!request.url.includes("/api/v1/hosts/")) return reply;
      const json = JSON.parse(new TextDecoder().decode(reply.body));
      json.item.host_cert = hub.fleet.cert({ ...at.box, signingKey: testKey("other"), boxKey: at.box.boxKey } as never, { name: "harmless" });
      return { ...reply, body: utf8(JSON.stringify(json)) };
    });
    const shown = await at.desk.run(`sign pending ${at.pass}`, { answers: ["kovacs-1", "harmless"] });
    expect([shown.code, shown.terminal.questions()]).toEqual([6, []]);
  });
});

test("two operators, threshold two: each sees the same digest and words, and only both together arm it", async () => {
  using hub = await testHub();
  const at = await scene(hub);
  const { desk, pass } = at;
  const bela = testKey("bela");
  const { payload, envelope: first } = hub.fleet.root;
  const next = {
    ...payload,
    version: 2,
    keys: { ...payload.keys, [bela.keyId]: { public: Buffer.from(bela.publicKey).toString("base64url"), label: "bela" } },
    roles: {
      ...payload.roles,
      destroy: { keys: [hub.fleet.key.keyId, bela.keyId], threshold: 2 },
      operate: { keys: [hub.fleet.key.keyId, bela.keyId], threshold: 1 },
    },
  };
  const second = signPayload("root", rootPayload, next, [hub.fleet.key]);
  expect((await hub.ask("POST", "/api/v1/roots", { token: await hub.logIn(), body: { envelope: second } })).status).toBeLessThan(300);
  // The second desk: a home and a vault of its own.
  const home = mkdtempSync(join(tmpdir(), "felhom-bela-"));
  try {
    await editVault(desk.world, home, {
      passphrase: () => Promise.resolve("correct horse battery staple"),
      cost: { memoryKib: KDF_RANGE.memoryKib.least, passes: KDF_RANGE.passes.least },
      edit: (contents) => addKey(contents, { name: "bela", seed: bela.seed, nowMs: FLEET_MADE_MS }),
    });
    new Workstation(desk.world, home).pinFleet([first, second], hub.fleet.root.hash);
    const hers = (line: string, answers?: readonly string[]) => desk.run(`--home ${home} ${line}`, answers === undefined ? {} : { answers });
    expect((await hers(`login --hub https://hub.test ${pass}`)).code).toBe(0);
    const op = await at.draft("host.shutdown", {});
    const mine = await desk.run(`sign pending ${pass}`, { answers: ["kovacs-1"] });
    expect([mine.stderr.includes("signed 1/2"), (await at.at(op.id)).state]).toEqual([true, "pending"]);
    // His own key again is nothing new, however often he says yes.
    const again = await desk.run(`sign pending ${pass}`, { answers: ["kovacs-1"] });
    expect([again.code, again.stderr.includes("Your key signed it already"), (await at.at(op.id)).signatures.length]).toEqual([6, true, 1]);
    const shown = await hers("sign pending -o json");
    const listed = await desk.run("sign pending -o json");
    const words = (text: string): readonly unknown[] => JSON.parse(text).items.map((item: Loose) => [item.digest, item.words, item.signed]);
    expect(words(shown.stdout)).toEqual(words(listed.stdout));
    const done = await hers(`sign pending ${pass}`, ["kovacs-1"]);
    expect([done.code, done.stdout.includes("you would be the last"), done.stderr.includes("signed 2/2"), (await at.at(op.id)).state]).toEqual([
      0,
      true,
      true,
      "signed",
    ]);
  } finally {
    rmSync(home, { recursive: true });
  }
});
