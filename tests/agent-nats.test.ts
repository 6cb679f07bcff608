/**
 * A real agent and a real hub with a bus in memory between them: attached when the spec says so, never waited for, and whatever becomes of
 * the bus, each op runs once and each answer arrives. The op that is counted appends a line to a file.
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { natsService } from "../hub/edge/nats/nats-service.ts";
import { Slot } from "../hub/edge/slot.ts";
import type { Agents } from "../hub/edge/sync/agents.ts";
import { isHostId } from "../shared/core/ids.ts";
import { encodeNatsOp } from "../shared/protocol/nats-messages.ts";
import { natsSubjects } from "../shared/protocol/nats-subjects.ts";
import { testOp, type TestOp, upload } from "../shared/sim/test-hub-op.ts";
import { SimBusServer } from "../shared/sim/sim-bus.ts";
import { SimClock } from "../shared/sim/sim-clock.ts";
import { testAgent, type TestAgent } from "../shared/sim/test-agent.ts";
import { type TestHub, testHub } from "../shared/sim/test-hub.ts";
import { utf8 } from "../shared/core/bytes.ts";
import { encodeEnvelope } from "../shared/trust/envelope.ts";
import { encodeJoinCode } from "../shared/trust/join-code.ts";
import { hostCertPayload } from "../shared/trust/payloads.ts";
import { signPayload } from "../shared/trust/sign-payload.ts";
import { issueForHub } from "../hub/edge/nats/credentials.ts";
import { natsKeys } from "../hub/edge/nats/keys.ts";

const URL = "nats://127.0.0.1:1";

let server: SimBusServer;
let hub: TestHub;
let box: TestAgent;
let admin: string;
let hostId: string;
let stop: AbortController;
let served: Promise<void>;

beforeEach(async () => {
  const relay: { server?: SimBusServer } = {};
  hub = await testHub({ nats: [URL], buses: { connect: (op, options) => (relay.server ?? new SimBusServer(new SimClock())).buses.connect(op, options) } });
  server = new SimBusServer(hub.world.clock);
  relay.server = server;
  admin = await hub.logIn();
  const slot = new Slot<Agents>();
  slot.fill(hub.agents);
  stop = new AbortController();
  ({ done: served } = await natsService(hub.world, hub.settings, slot).start(stop.signal));
  box = await testAgent(hub, "box-1");
  await box.enroll(encodeJoinCode({ fleetId: hub.fleet.root.payload.fleet_id, rootHash: hub.fleet.root.hash, pins: [] }), { wait: false });
  await approve();
  await box.enroll(undefined);
  box.start();
  await box.until(({ link }) => link.is === "connected");
});
afterEach(async () => {
  await box.stop();
  stop.abort();
  await pass(1_000);
  await served;
  hub[Symbol.dispose]();
});

async function approve(): Promise<void> {
  const { items } = (await hub.ask("GET", "/api/v1/enrollments?state=pending", { token: admin })).json;
  const { request_id, host_id, statement } = items[0];
  if (!isHostId(host_id)) throw new Error("a host id is one");
  hostId = host_id;
  const { signing_key, box_key } = JSON.parse(statement);
  const fleet_id = hub.fleet.root.payload.fleet_id;
  const cert = { v: 1 as const, fleet_id, host_id, serial: 1, name: "box-1", labels: {}, signing_key, box_key, created_at: hub.world.clock.wallMs() };
  const reply = await hub.ask("POST", `/api/v1/enrollments/${request_id}/approve`, {
    token: admin,
    body: { host_cert: signPayload("host-cert", hostCertPayload, cert, [hub.fleet.key]) },
  });
  if (reply.status !== 200) throw new Error(reply.text);
}

async function pass(ms: number): Promise<void> {
  let passed = 0;
  await box
    .until(() => (passed += 250) > ms, ms + 1_000)
    .catch(async () => {
      // It was stopped: there is no status to ask for, and time passes all the same.
      for (let at = 0; at < ms; at += 50) {
        await hub.world.clock.advance(50);
        for (let turns = 0; turns < 4; turns += 1) await new Promise((resolve) => setImmediate(resolve));
      }
    });
}

async function spec(edit: object): Promise<void> {
  const { spec: now } = (await hub.ask("GET", `/api/v1/hosts/${hostId}`, { token: admin })).json.item;
  const reply = await hub.ask("PUT", `/api/v1/hosts/${hostId}/spec`, {
    token: admin,
    body: { mode: "enforce", ...edit },
    headers: { "if-match": `"${now.generation}"` },
  });
  if (reply.status !== 200) throw new Error(reply.text);
}

const attached = async (): Promise<void> => {
  await spec({ nats: {} });
  await box.until(({ nats }) => nats?.is === "attached");
  await box.until(() => hub.hub.carrier.isAttached(hostId));
};
const counter = (): string => `${hub.world.dir}/counted`;
const counted = (): number => (existsSync(counter()) ? readFileSync(counter(), "utf8").trim().split("\n").length : 0);
const append = (): TestOp =>
  testOp(hub, { target: { host_id: hostId as never }, params: { argv: ["/bin/sh", "-c", `echo x >> ${counter()}`], timeout_s: 60 } });
const stateOf = async (op: TestOp): Promise<string> => (await hub.ask("GET", `/api/v1/ops/${op.id}`, { token: admin })).json.item.state;
async function over(op: TestOp): Promise<string> {
  for (let tries = 0; tries < 600; tries += 1) {
    await pass(250);
    const state = await stateOf(op);
    if (["done", "failed", "refused", "expired"].includes(state)) return state;
  }
  return stateOf(op);
}
const carriers = (): readonly unknown[] => box.logged.filter(({ event }) => event === "op.admitted").map(({ facts }) => facts?.["carrier"]);
/** Within twice the window, and the sync that follows it. */
const empty = (): Promise<unknown> => box.until(({ outbox }) => outbox.rows === 0, 12_000);

test("a box is attached when its spec says so, hears its op there, and its answer is one", async () => {
  expect(server.connections).toBe(1);
  await attached();
  const op = append();
  await upload(hub, admin, op);
  expect([await over(op), counted(), carriers()]).toEqual(["done", 1, ["nats"]]);
  await empty();
  const records: readonly { readonly envelope: { readonly payload: string } }[] = (await hub.ask("GET", `/api/v1/ops/${op.id}/returns`, { token: admin })).json
    .items;
  const parts = records.map(({ envelope }) => JSON.parse(Buffer.from(envelope.payload, "base64").toString()).part);
  expect(new Set(parts).size).toBe(parts.length);
  await spec({});
  await box.until(({ nats }) => nats === undefined);
  expect(server.connections).toBe(1);
});

test("a bus that is not there keeps nothing waiting: attached later by itself, ops by sync until then", async () => {
  server.kill();
  await spec({ nats: {} });
  await box.until(({ nats }) => nats?.is === "detached" && nats.because !== undefined);
  const op = append();
  await upload(hub, admin, op);
  expect([await over(op), carriers()]).toEqual(["done", ["sync"]]);
  server.start();
  await box.until(({ nats }) => nats?.is === "attached");
});

test("killed at any moment of an op, the bus neither loses it nor doubles it", async () => {
  await attached();
  for (let round = 0; round < 12; round += 1) {
    const op = append();
    await upload(hub, admin, op);
    // From before the publish to after the answer.
    for (let turns = 0; turns < round * 2; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    server.kill();
    if (round % 3 === 0) server.loseStreams();
    expect(await over(op)).toBe("done");
    expect(counted()).toBe(round + 1);
    server.start();
    await box.until(({ nats }) => nats?.is === "attached", 20 * 60_000);
    await box.until(() => hub.hub.carrier.isAttached(hostId), 20 * 60_000);
  }
  expect(carriers()).toContain("nats");
}, 240_000);

test("every third message lost: each op runs once, each is answered", async () => {
  await attached();
  let at = 0;
  server.drops = () => (at += 1) % 3 === 0;
  for (let round = 0; round < 10; round += 1) {
    const op = append();
    await upload(hub, admin, op);
    expect(await over(op)).toBe("done");
  }
  expect(counted()).toBe(10);
}, 240_000);

test("the same op over NATS again and again, and over sync, runs once", async () => {
  await attached();
  const op = append();
  const keys = natsKeys(hub.world, hub.world.dir);
  const issued = issueForHub(hub.world, keys, hub.fleet.root.payload.fleet_id);
  const courier = await server.buses.connect("test", { url: URL, name: "hub", credentials: issued, inbox: issued.inbox, timeoutMs: 1, pingMs: 1 });
  const subjects = natsSubjects(hub.fleet.root.payload.fleet_id);
  const body = encodeNatsOp({ envelope: encodeEnvelope(op.envelope) });
  for (let times = 0; times < 20; times += 1) courier.publish(times % 2 === 0 ? subjects.broadcast : subjects.ofHost(hostId).op, body);
  await upload(hub, admin, op);
  expect([await over(op), counted()]).toEqual(["done", 1]);
  await courier.close();
});

test("rubbish on its subjects stops nothing, and is acknowledged to nobody", async () => {
  await attached();
  const issued = issueForHub(hub.world, natsKeys(hub.world, hub.world.dir), hub.fleet.root.payload.fleet_id);
  const courier = await server.buses.connect("test", { url: URL, name: "hub", credentials: issued, inbox: issued.inbox, timeoutMs: 1, pingMs: 1 });
  const subjects = natsSubjects(hub.fleet.root.payload.fleet_id);
  const acks: string[] = [];
  await courier.subscribe(subjects.everyAck, ({ subject }) => void acks.push(subject));
  const altered = { ...append().envelope, payload: append().envelope.payload };
  for (const bytes of [utf8("x"), encodeNatsOp({ envelope: utf8("{}") }), encodeNatsOp({ envelope: encodeEnvelope(altered) }), new Uint8Array(1_000_000)])
    courier.publish(subjects.ofHost(hostId).op, bytes);
  await pass(2_000);
  expect([acks, counted()]).toEqual([[], 0]);
  const op = append();
  await upload(hub, admin, op);
  expect([await over(op), counted(), carriers()]).toEqual(["done", 1, ["nats"]]);
  await courier.close();
});

test("credentials that ran out are replaced before they do, without an op being lost", async () => {
  await attached();
  const before = box.logged.filter(({ event }) => event === "nats.attached").length;
  for (let minutes = 0; minutes < 13 * 60; minutes += 1) {
    await hub.world.clock.advance(60_000);
    hub.hub.courier.turn(hub.world.clock.monoMs());
    for (let turns = 0; turns < 6; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  }
  admin = await hub.logIn();
  await box.until(({ nats }) => nats?.is === "attached");
  expect(box.logged.filter(({ event }) => event === "nats.attached").length).toBeGreaterThan(before);
  const op = append();
  await upload(hub, admin, op);
  expect([await over(op), counted()]).toEqual(["done", 1]);
}, 240_000);

test("a server that refuses the credentials makes the box ask for others", async () => {
  await attached();
  server.kill();
  // A day later what it has is worthless.
  hub.world.clock.jumpWall(25 * 3_600_000);
  await box.until(({ nats }) => nats?.is === "detached");
  server.start();
  await box.until(({ nats }) => nats?.is === "attached", 30 * 60_000);
  expect(box.logged.some(({ event, facts }) => event === "nats.failed" && facts?.["code"] === "denied")).toBe(true);
});
