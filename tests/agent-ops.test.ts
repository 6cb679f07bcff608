/** Ops against the real hub: from an upload to a signed answer, through each kind that touches the agent's own state. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { base32, base64url, utf8 } from "../shared/core/bytes.ts";
import { isHostId } from "../shared/core/ids.ts";
import { sha256Hex } from "../shared/core/sha256.ts";
import type { OpKindName } from "../shared/ops/catalogue.ts";
import { testAgent, type TestAgent } from "../shared/sim/test-agent.ts";
import { type TestHub, testHub } from "../shared/sim/test-hub.ts";
import { testKey, testRootPayload, valueOf } from "../shared/sim/test-fleet.ts";
import { signEnvelope } from "../shared/trust/envelope.ts";
import { encodeJoinCode } from "../shared/trust/join-code.ts";
import { verifyHostCert } from "../shared/trust/host-identity.ts";
import { spellKey } from "../shared/trust/keys.ts";
import { verifyReturn } from "../shared/trust/op.ts";
import { hostCertPayload, type OpPayload, type ReturnPayload, rootPayload } from "../shared/trust/payloads.ts";
import { signPayload } from "../shared/trust/sign-payload.ts";

let hub: TestHub;
let box: TestAgent;
let admin: string;

beforeEach(async () => {
  hub = await testHub();
  admin = await hub.logIn();
  box = await testAgent(hub, "box-1");
  const join = encodeJoinCode({ fleetId: hub.fleet.root.payload.fleet_id, rootHash: hub.fleet.root.hash, pins: [] });
  await box.enroll(join, { wait: false });
  await approve();
  await box.enroll(undefined);
  box.start();
  await box.until(({ link }) => link.is === "connected");
});
afterEach(() => hub[Symbol.dispose]());

async function approve(): Promise<void> {
  const { items } = (await hub.ask("GET", "/api/v1/enrollments?state=pending", { token: admin })).json;
  const { request_id, host_id, statement } = items[0];
  const { signing_key, box_key } = JSON.parse(statement);
  const reply = await hub.ask("POST", `/api/v1/enrollments/${request_id}/approve`, {
    token: admin,
    body: { host_cert: cert(host_id, 1, signing_key, box_key) },
  });
  if (reply.status !== 200) throw new Error(reply.text);
}

function cert(hostId: string, serial: number, signing_key: string, box_key: string): ReturnType<typeof signPayload> {
  if (!isHostId(hostId)) throw new Error("a host id is one");
  return signPayload(
    "host-cert",
    hostCertPayload,
    {
      v: 1,
      fleet_id: hub.fleet.root.payload.fleet_id,
      host_id: hostId,
      serial,
      name: "box-1",
      labels: {},
      signing_key,
      box_key,
      created_at: hub.world.clock.wallMs(),
    },
    [hub.fleet.key],
  );
}

const hostId = (): string => JSON.parse(readFileSync(`${box.dataDir}/identity/membership.json`, "utf8")).host_id;

async function send(kind: OpKindName, params: Readonly<Record<string, unknown>> = {}, changes: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const nowMs = hub.world.clock.wallMs();
  const payload = {
    v: 1,
    fleet_id: hub.fleet.root.payload.fleet_id,
    id: `o-${base32(hub.world.crypto.randomBytes(10))}`,
    kind,
    target: { host_id: hostId() },
    params,
    nonce: base64url(hub.world.crypto.randomBytes(32)),
    issued_at: nowMs,
    expires_at: nowMs + 3_600_000,
    ...changes,
  } as OpPayload;
  const envelope = signEnvelope("op", utf8(JSON.stringify(payload)), [hub.fleet.key]);
  const reply = await hub.ask("POST", "/api/v1/ops", { token: admin, body: { envelope } });
  if (reply.status >= 300) throw new Error(reply.text);
  return payload.id;
}

async function returns(id: string): Promise<readonly ReturnPayload[]> {
  const { items } = (await hub.ask("GET", `/api/v1/ops/${id}/returns`, { token: admin })).json;
  const { host_cert } = (await hub.ask("GET", `/api/v1/hosts/${hostId()}`, { token: admin })).json.item;
  const identity = valueOf(verifyHostCert(host_cert, hub.fleet.root));
  return items.map(({ envelope }: { envelope: Parameters<typeof verifyReturn>[0] }) => valueOf(verifyReturn(envelope, identity)));
}

/** Virtual time, and a little real time for real programs. */
async function pass(ms: number): Promise<void> {
  await hub.world.clock.advance(ms);
  hub.hub.courier.turn(hub.world.clock.monoMs());
  await Bun.sleep(2);
}

/** Until the hub holds the final answer. */
async function answered(id: string): Promise<ReturnPayload> {
  let found: ReturnPayload | undefined;
  for (let looks = 0; looks < 200 && found === undefined; looks += 1) {
    await pass(250);
    found = (await returns(id)).find(({ state }) => state !== "running");
  }
  if (found === undefined) throw new Error(`no answer to ${id}: ${JSON.stringify(box.logged.slice(-10))}`);
  return found;
}

async function publish(version: number, files: Readonly<Record<string, string>>): Promise<void> {
  for (const text of Object.values(files)) await hub.ask("PUT", `/api/v1/blobs/${sha256Hex(utf8(text))}`, { token: admin, bytes: utf8(text) });
  const nowMs = hub.world.clock.wallMs();
  const reply = await hub.ask("POST", "/api/v1/bundles", {
    token: admin,
    body: { envelope: hub.fleet.bundle(version, files, { created_at: nowMs, expires_at: nowMs + 30 * 86_400_000 }) },
  });
  if (reply.status >= 300) throw new Error(reply.text);
}
const motd = (): string => `${hub.world.dir}/motd`;
const fleet = (content: string): Readonly<Record<string, string>> => ({
  "fleet.yaml": "name: test\n",
  "targets.yaml": '- match: "true"\n  states: [base]\n',
  "states/base.yaml": `${motd()}:\n  file:\n    content: ${JSON.stringify(content)}\n    mode: "0644"\n`,
});

describe("ops through a hub", () => {
  test("a held sync brings one, and its signed answer reaches the hub", async () => {
    const answer = await answered(await send("ping"));
    expect([answer.state, answer.log?.seq]).toEqual(["done", 1]);
    const { ops } = await box.status();
    expect([ops?.generation, ops?.incident]).toEqual([1, undefined]);
  });

  test("an expression is decided here, on labels and facts", async () => {
    expect((await answered(await send("ping", {}, { target: { expr: "fact.os.family == 'nowhere' || host.name == 'box-1'" } }))).state).toBe("done");
  });

  test("facts, and what is not there is named", async () => {
    const { data } = await answered(await send("facts.get", { paths: ["kernel", "no.such"] }));
    expect(data).toMatchObject({ missing: ["no.such"] });
  });

  test("plan.show shows and changes nothing; converge.pause pauses; converge.now runs all the same", async () => {
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    writeFileSync(motd(), "by hand\n");
    const id = await send("plan.show");
    expect((await answered(id)).state).toBe("done");
    const text = (await returns(id)).map(({ stdout }) => Buffer.from(stdout ?? "", "base64").toString()).join("");
    expect(text).toContain(motd());
    expect((await answered(await send("converge.pause", { minutes: 60 }))).state).toBe("done");
    await box.until(({ desired }) => desired.mode === "paused");
    expect(readFileSync(motd(), "utf8")).toBe("by hand\n");
    const now = await answered(await send("converge.now"));
    expect(now).toMatchObject({ state: "done", data: { mode: "enforce", counts: { changed: 1 } } });
    expect(readFileSync(motd(), "utf8")).toBe("hello\n");
    await answered(await send("converge.pause", { minutes: 0 }));
    await box.until(({ desired }) => desired.mode === "enforce");
  });

  test("trust.accept-root takes what its own chain allows, and nothing else", async () => {
    const fresh = testKey("fresh operator");
    const payload = testRootPayload([hub.fleet.key, fresh], { version: 2, fleet_id: hub.fleet.root.payload.fleet_id });
    const wanted = signPayload("root", rootPayload, payload, [hub.fleet.key, fresh]);
    const forged = signPayload("root", rootPayload, payload, [fresh]);
    expect((await answered(await send("trust.accept-root", { roots: [forged] }))).state).toBe("failed");
    expect(await answered(await send("trust.accept-root", { roots: [wanted] }))).toMatchObject({ state: "done", data: { root: 2, before: 1 } });
    expect((await box.status()).desired.root).toBe(2);
  });

  test("host.rekey: the new box key counts when a certificate names it, and survives a restart", async () => {
    const { data } = await answered(await send("host.rekey", { key: "box" }));
    const { box_key } = data as { box_key: string };
    const { host_cert } = (await hub.ask("GET", `/api/v1/hosts/${hostId()}`, { token: admin })).json.item;
    const { signingKey, boxKey } = valueOf(verifyHostCert(host_cert, hub.fleet.root));
    expect(box_key).not.toBe(spellKey(boxKey));
    expect((await box.status()).desired.cert).toBe(1);
    await answered(
      await send("trust.accept-root", {
        roots: [signPayload("root", rootPayload, testRootPayload([hub.fleet.key], { version: 2, fleet_id: hub.fleet.root.payload.fleet_id }), [hub.fleet.key])],
      }),
    );
    const certified = cert(hostId(), 2, spellKey(signingKey), box_key);
    let isOffered = false;
    box.intercept = async (request, deliver) => {
      const reply = await deliver();
      if (!request.url.endsWith("/sync") || isOffered || reply.status !== 200) return reply;
      isOffered = true;
      return Response.json({ ...((await reply.json()) as object), host_cert: certified });
    };
    await box.until(({ desired }) => desired.cert === 2);
    await box.stop();
    box.start();
    expect((await box.until(({ desired }) => desired.cert === 2)).desired.notes).toEqual([]);
  });

  test("spec.apply: what destroys waits, the rest is in force, and exactly what was signed is applied: the box leaves", async () => {
    const spec = { v: 1, host_id: hostId(), generation: 9, mode: "monitor", retire: true };
    let isOffered = false;
    box.intercept = async (request, deliver) => {
      const reply = await deliver();
      if (!request.url.endsWith("/sync") || isOffered || reply.status !== 200) return reply;
      isOffered = true;
      return Response.json({ ...((await reply.json()) as object), spec });
    };
    const held = await box.until(({ desired }) => desired.awaiting !== undefined);
    expect([held.desired.mode, held.desired.generation, held.desired.awaiting]).toEqual(["monitor", 9, { generation: 9, fields: ["retire"] }]);
    const other = await answered(await send("spec.apply", { generation: 9, fields: { retire: { from: "false", to: "true" } } }));
    expect([other.state, other.code]).toEqual(["failed", "op_precondition"]);
    await send("spec.apply", { generation: 9, fields: { retire: { from: "null", to: "true" } } });
    for (let looks = 0; looks < 400 && existsSync(`${box.dataDir}/identity/membership.json`); looks += 1) {
      await pass(250);
    }
    expect(existsSync(`${box.dataDir}/identity/signing.key`)).toBe(false);
    expect(existsSync(`${box.dataDir}/snapshot.msgpack`)).toBe(false);
  });

  test("a hub that lost the answer and offers the op again gets it again, and nothing runs twice", async () => {
    const counter = `${hub.world.dir}/counter`;
    let kept: unknown;
    box.intercept = async (request, deliver) => {
      const reply = await deliver();
      if (!request.url.endsWith("/sync") || reply.status !== 200) return reply;
      const body = (await reply.json()) as { ops?: unknown };
      kept ??= body.ops;
      return Response.json({ ...body, ...(kept === undefined ? {} : { ops: kept }) });
    };
    const id = await send("cmd.run", { argv: ["/bin/sh", "-c", `echo x >> ${counter}`] });
    expect((await answered(id)).state).toBe("done");
    for (let looks = 0; looks < 40; looks += 1) await pass(5_000);
    expect(readFileSync(counter, "utf8")).toBe("x\n");
    expect((await returns(id)).filter(({ state }) => state !== "running")).toHaveLength(1);
  });

  test("A06: a hub that has seen more of this box's ledger stops everything but reads, and says so", async () => {
    let said = false;
    box.intercept = async (request, deliver) => {
      const reply = await deliver();
      if (!request.url.endsWith("/sync") || said || reply.status !== 200) return reply;
      said = true;
      return Response.json({ ...((await reply.json()) as object), ledger_generation: 40 });
    };
    const { ops } = await box.until((status) => status.ops?.incident !== undefined);
    expect(ops?.incident?.is).toBe("behind");
    const refused = await answered(await send("cmd.run", { argv: ["/bin/true"] }));
    expect([refused.state, refused.code]).toEqual(["refused", "op_ledger_unsafe"]);
    expect((await answered(await send("ping"))).state).toBe("done");
    await hub.world.clock.advance(1_000);
    expect((await answered(await send("agent.recover-ledger", { incident: ops?.incident?.id ?? "" }))).state).toBe("done");
    await hub.world.clock.advance(1_000);
    expect((await answered(await send("cmd.run", { argv: ["/bin/true"] }))).state).toBe("done");
  });
});
