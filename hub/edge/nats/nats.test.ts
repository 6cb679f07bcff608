/** The hub's side of NATS on a bus in memory: what goes which way, when, and what is left when something is lost. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { base64, fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import type { Bus } from "../../../shared/ports/bus.ts";
import { decodeNatsOp, encodeNatsAck, encodeNatsAlive, encodeNatsReturn } from "../../../shared/protocol/nats-messages.ts";
import { natsSubjects, returnsStream } from "../../../shared/protocol/nats-subjects.ts";
import { SimBusServer } from "../../../shared/sim/sim-bus.ts";
import { SimClock } from "../../../shared/sim/sim-clock.ts";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { answer, opsIn, returnItem, testOp, type TestOp, upload } from "../../../shared/sim/test-hub-op.ts";
import type { Envelope } from "../../../shared/trust/envelope.ts";
import { encodeEnvelope } from "../../../shared/trust/envelope.ts";
import { Slot } from "../slot.ts";
import type { Agents } from "../sync/agents.ts";
import { copiesAfter, insertCopy } from "../store/nats-outbox.ts";
import { issueForHost } from "./credentials.ts";
import { natsKeys } from "./keys.ts";
import { natsService } from "./nats-service.ts";

const URL = "nats://127.0.0.1:1";

let server: SimBusServer;
let hub: TestHub;
let token: string;
let stop: AbortController;
let done: Promise<void>;
let slot: Slot<Agents>;

beforeEach(async () => {
  const relay: { server?: SimBusServer } = {};
  hub = await testHub({ nats: [URL], buses: { connect: (op, options) => (relay.server ?? new SimBusServer(new SimClock())).buses.connect(op, options) } });
  server = new SimBusServer(hub.world.clock);
  relay.server = server;
  token = await hub.logIn();
  slot = new Slot<Agents>();
  slot.fill(hub.agents);
  stop = new AbortController();
  ({ done } = await natsService(hub.world, hub.settings, slot).start(stop.signal));
  await until("the hub is connected", () => server.streams.size === 1);
});
afterEach(async () => {
  stop.abort();
  await settle();
  await done;
  hub[Symbol.dispose]();
});

/** Time passes in small steps; everything that waits for the platform gets its turn. */
async function settle(ms = 500): Promise<void> {
  for (let passed = 0; passed <= ms; passed += 50) {
    await hub.world.clock.advance(50);
    for (let turns = 0; turns < 4; turns += 1) await new Promise((resolve) => setImmediate(resolve));
  }
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1_500 && !isSo(); tries += 1) await settle(50);
  if (!isSo())
    throw new Error(
      `never: ${what}\n${hub.world.logged
        .slice(-5)
        .map((line) => JSON.stringify(line))
        .join("\n")}`,
    );
}

class NatsBox {
  readonly box: TestBox;
  readonly heard: { readonly via: "broadcast" | "own"; readonly op: string }[] = [];
  #bus: Bus | undefined;

  constructor(box: TestBox) {
    this.box = box;
  }

  static async attach(name: string): Promise<NatsBox> {
    const box = await new TestBox(hub, name).enroll();
    await box.sync();
    const mine = new NatsBox(box);
    await mine.connect();
    return mine;
  }

  get hostId(): string {
    return this.box.keys.hostId;
  }

  get bus(): Bus {
    if (this.#bus === undefined) throw new Error("not attached");
    return this.#bus;
  }

  async connect(): Promise<void> {
    const fleetId = hub.fleet.root.payload.fleet_id;
    const issued = issueForHost(hub.world, natsKeys(hub.world, hub.world.dir), { fleetId, hostId: this.hostId });
    this.#bus = await server.buses.connect("test", { url: URL, name: this.hostId, credentials: issued, inbox: issued.inbox, timeoutMs: 1, pingMs: 1 });
    const { broadcast, ofHost } = natsSubjects(fleetId);
    const hear = (via: "broadcast" | "own") => (message: { readonly body: Uint8Array }) => {
      const envelope = decodeNatsOp(message.body)?.envelope;
      if (envelope === undefined) return;
      const parsed: Envelope = JSON.parse(fromUtf8(envelope));
      this.heard.push({ via, op: (JSON.parse(Buffer.from(parsed.payload, "base64").toString()) as { id: string }).id });
    };
    await this.#bus.subscribe(broadcast, hear("broadcast"));
    await this.#bus.subscribe(ofHost(this.hostId).op, hear("own"));
    this.say("alive", encodeNatsAlive({ leaving: false }));
    await settle(100);
  }

  say(what: "ack" | "alive" | "return", body: Uint8Array): void {
    this.bus.publish(natsSubjects(hub.fleet.root.payload.fleet_id).ofHost(this.hostId)[what], body);
  }

  acknowledge(op: TestOp): void {
    this.say("ack", encodeNatsAck({ opId: op.id }));
  }

  answer(op: TestOp, changes: Parameters<typeof answer>[2] = {}): void {
    this.say("return", encodeNatsReturn({ envelope: encodeEnvelope(answer(this.box, op, changes)) }));
  }
}

const states = async (op: TestOp): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries(
    (await hub.ask("GET", `/api/v1/ops/${op.id}/targets`, { token })).json.items.map((item: { name: string; state: string }) => [item.name, item.state]),
  );
const records = async (op: TestOp): Promise<number> => (await hub.ask("GET", `/api/v1/ops/${op.id}/returns`, { token })).json.items.length;
const stream = () => server.streams.get(returnsStream(hub.fleet.root.payload.fleet_id));

describe("an op", () => {
  test("for everybody who is attached is broadcast once; whoever is not attached gets it by sync", async () => {
    const [web, db] = [await NatsBox.attach("web"), await NatsBox.attach("db")];
    const slow = await new TestBox(hub, "slow").enroll();
    await slow.sync();
    const op = testOp(hub);
    await upload(hub, token, op);
    await settle(100);
    expect([web.heard, db.heard]).toEqual([[{ via: "broadcast", op: op.id }], [{ via: "broadcast", op: op.id }]]);
    expect(await states(op)).toEqual({ web: "delivered", db: "delivered", slow: "waiting" });
    expect(opsIn((await slow.sync()).json)).toEqual([op.id]);
  });

  test("for one is told to that one alone", async () => {
    const [web, db] = [await NatsBox.attach("web"), await NatsBox.attach("db")];
    const op = testOp(hub, { target: { host_id: web.box.keys.hostId } });
    await upload(hub, token, op);
    await settle(100);
    expect([web.heard, db.heard]).toEqual([[{ via: "own", op: op.id }], []]);
  });

  test("in batches is heard by nobody whose batch has not come", async () => {
    const all = [await NatsBox.attach("a"), await NatsBox.attach("b"), await NatsBox.attach("c")];
    const op = testOp(hub);
    await hub.ask("POST", "/api/v1/ops", { token, body: { envelope: op.envelope, pacing: { batch: 1 } } });
    await settle(100);
    expect(all.flatMap(({ heard }) => heard)).toEqual([{ via: "own", op: op.id }]);
    const first = all.find(({ heard }) => heard.length === 1);
    first?.acknowledge(op);
    first?.answer(op);
    await settle(500);
    await hub.hub.jobs.turn();
    await settle(500);
    expect(all.map(({ heard }) => heard.length).toSorted((a, b) => a - b)).toEqual([0, 1, 1]);
  });

  test("that the box acknowledged is not given by sync; one that it did not is, five seconds later and not before", async () => {
    const [good, mute] = [await NatsBox.attach("good"), await NatsBox.attach("mute")];
    const op = testOp(hub);
    await upload(hub, token, op);
    await settle(100);
    good.acknowledge(op);
    await settle(100);
    expect([opsIn((await good.box.sync()).json), opsIn((await mute.box.sync()).json)]).toEqual([[], []]);
    await settle(5_000);
    expect([opsIn((await good.box.sync()).json), opsIn((await mute.box.sync()).json)]).toEqual([[], [op.id]]);
    expect(hub.hub.carrier.counts).toMatchObject({ acknowledged: 1, late: 1 });
  });

  test("wakes a held sync when the window is over", async () => {
    const mute = await NatsBox.attach("mute");
    const held = mute.box.sync({ wait_ms: 55_000 });
    await settle(100);
    const op = testOp(hub);
    await upload(hub, token, op);
    await settle(6_000);
    expect(opsIn((await held).json)).toEqual([op.id]);
  });

  test("goes by sync at once when the bus is gone, also what was on its way", async () => {
    const web = await NatsBox.attach("web");
    server.drops = () => true;
    const lost = testOp(hub);
    await upload(hub, token, lost);
    await settle(100);
    expect(opsIn((await web.box.sync()).json)).toEqual([]);
    server.kill();
    await settle(100);
    const after = testOp(hub);
    await upload(hub, token, after);
    expect(opsIn((await web.box.sync()).json)).toEqual([lost.id, after.id]);
  });

  test("whose copy was written and not sent by a hub that died is sent by the next one, unless it is old", async () => {
    const web = await NatsBox.attach("web");
    const op = testOp(hub, { target: { host_id: web.box.keys.hostId } });
    await upload(hub, token, op);
    await settle(100);
    const nowMs = hub.world.clock.wallMs();
    await hub.hub.store.write("test", (tx) => {
      insertCopy(tx.db, { op_seq: 1, host_id: web.hostId, created_at: nowMs - 600_000 });
      insertCopy(tx.db, { op_seq: 1, host_id: web.hostId, created_at: nowMs });
    });
    server.kill();
    server.start();
    await web.connect();
    await until("it was sent again", () => web.heard.length === 2);
    expect(await hub.hub.store.read((db) => copiesAfter(db, 0, 10))).toEqual([]);
  });

  test("goes by sync to a box that said it is leaving, or was silent for long", async () => {
    const [leaving, silent] = [await NatsBox.attach("leaving"), await NatsBox.attach("silent")];
    leaving.say("alive", encodeNatsAlive({ leaving: true }));
    await settle(80_000);
    const op = testOp(hub);
    await upload(hub, token, op);
    expect([leaving.heard, silent.heard]).toEqual([[], []]);
    expect([opsIn((await leaving.box.sync()).json), opsIn((await silent.box.sync()).json)]).toEqual([[op.id], [op.id]]);
  });
});

describe("an answer", () => {
  test("over NATS, by sync, or both, in any order, is one answer (C04)", async () => {
    const web = await NatsBox.attach("web");
    for (const [over, by] of [
      [1, 0],
      [0, 1],
      [1, 1],
      [3, 2],
    ] as const) {
      const op = testOp(hub);
      await upload(hub, token, op);
      await settle(100);
      const before = web.box.says;
      for (let times = 0; times < over; times += 1) web.answer(op);
      for (let times = 0; times < by; times += 1) await web.box.sync({ outbox: [returnItem(hub.world.clock.monoMs() + times, answer(web.box, op))] });
      web.box.says = before;
      await settle(1_000);
      expect([over, by, await states(op), await records(op)]).toEqual([over, by, { web: "returned" }, 1]);
    }
    expect(stream()?.kept.size).toBe(0);
  });

  test("parts that come after the end, or twice, change nothing", async () => {
    const web = await NatsBox.attach("web");
    const op = testOp(hub);
    await upload(hub, token, op);
    await settle(100);
    web.answer(op, { part: 2 });
    web.answer(op, { state: "running", part: 0 });
    web.answer(op, { state: "running", part: 1 });
    web.answer(op, { state: "running", part: 0 });
    await settle(1_000);
    expect([await states(op), await records(op)]).toEqual([{ web: "returned" }, 3]);
  });

  test("leaves the stream only when it is in the database", async () => {
    const web = await NatsBox.attach("web");
    const op = testOp(hub);
    await upload(hub, token, op);
    await settle(100);
    const { store } = hub.hub;
    const failing: typeof store = {
      ...store,
      write: (name, body) => (name === "nats.returns" ? Promise.reject(new Error("disk")) : store.write(name, body)),
    };
    slot.fill({ ...hub.agents, hub: { ...hub.agents.hub, store: failing } });
    server.kill();
    server.start();
    await until("it is connected again", () => server.connections === 1);
    await web.connect();
    web.answer(op);
    await settle(3_000);
    expect([stream()?.kept.size, await records(op)]).toEqual([1, 0]);
    slot.fill(hub.agents);
    await until("the stream is empty", () => stream()?.kept.size === 0);
    expect([await states(op), await records(op)]).toEqual([{ web: "returned" }, 1]);
  });

  test("that is none of ours is taken out of the stream and counted, and stops nothing", async () => {
    const web = await NatsBox.attach("web");
    const op = testOp(hub);
    await upload(hub, token, op);
    await settle(100);
    web.say("return", utf8("not msgpack"));
    web.say("return", encodeNatsReturn({ envelope: utf8("{}") }));
    web.say(
      "return",
      encodeNatsReturn({
        envelope: utf8(JSON.stringify({ payload: base64(utf8("{}")), payloadType: "x", signatures: [{ keyid: "x", sig: base64(new Uint8Array(64)) }] })),
      }),
    );
    web.answer(op);
    await settle(1_000);
    expect([await states(op), stream()?.kept.size]).toEqual([{ web: "returned" }, 0]);
  });

  test("of another host under one's own name is stored as what it is: not verified", async () => {
    const [web, db] = [await NatsBox.attach("web"), await NatsBox.attach("db")];
    const op = testOp(hub);
    await upload(hub, token, op);
    await settle(100);
    web.say("return", encodeNatsReturn({ envelope: encodeEnvelope(answer(db.box, op)) }));
    await settle(1_000);
    expect(await states(op)).toEqual({ web: "delivered", db: "delivered" });
  });

  test("of a revoked host counts no more", async () => {
    const web = await NatsBox.attach("web");
    const op = testOp(hub);
    await upload(hub, token, op);
    await settle(100);
    await hub.ask("POST", `/api/v1/hosts/${web.hostId}/revoke`, { token, body: { reason: "test" } });
    web.answer(op);
    web.acknowledge(op);
    await settle(1_000);
    expect([await records(op), hub.hub.carrier.isAttached(web.hostId) && !hub.hub.hosts.get(web.hostId)?.revoked]).toEqual([0, false]);
  });
});

test("every stream lost, again and again: the hub makes it anew and nothing is lost (C02)", async () => {
  const web = await NatsBox.attach("web");
  const ops: TestOp[] = [];
  for (let round = 0; round < 5; round += 1) {
    const op = testOp(hub);
    ops.push(op);
    await upload(hub, token, op);
    await settle(100);
    web.answer(op);
    server.kill();
    server.loseStreams();
    server.start();
    await until("the stream is there", () => server.streams.size === 1 && server.connections === 1);
    await web.connect();
  }
  // What its outbox still holds goes by sync, as always.
  await web.box.sync({ outbox: ops.map((op, at) => returnItem(at + 1, answer(web.box, op))) });
  for (const op of ops) expect([await states(op), await records(op)]).toEqual([{ web: "returned" }, 1]);
});

test("alive is a sign of life", async () => {
  const web = await NatsBox.attach("web");
  const before = hub.hub.hosts.get(web.hostId)?.seenWallMs ?? 0;
  await settle(30_000);
  web.say("alive", encodeNatsAlive({ leaving: false }));
  await settle(100);
  expect(hub.hub.hosts.get(web.hostId)?.seenWallMs ?? 0).toBeGreaterThan(before);
});

describe("credentials", () => {
  const give = async (box: TestBox) => (await box.sync({ nats: { want: true } })).json.nats;
  const edit = (box: TestBox, spec: object, generation: number) =>
    hub.ask("PUT", `/api/v1/hosts/${box.keys.hostId}/spec`, { token, body: spec, headers: { "if-match": `"${generation}"` } });

  test("are given to a box that asks and whose spec names NATS, and to no other", async () => {
    const box = await new TestBox(hub, "web").enroll();
    await box.sync();
    expect(await give(box)).toBeUndefined();
    expect((await edit(box, { mode: "enforce", nats: {} }, 1)).status).toBe(200);
    expect(await give(box)).toMatchObject({
      urls: [URL],
      sealed_credentials: expect.any(String),
      expires_at: hub.world.clock.wallMs() + 3_600_000,
      lifetime_ms: 3_600_000,
    });
    await edit(box, { mode: "enforce", nats: { urls: ["tls://elsewhere.example.org:4222"] } }, 2);
    expect((await give(box)).urls).toEqual(["tls://elsewhere.example.org:4222"]);
    await edit(box, { mode: "enforce" }, 3);
    expect(await give(box)).toBeUndefined();
    expect((await box.sync()).json.nats).toBeUndefined();
  });

  test("are unreadable without the box key, and nothing of them is in the database", async () => {
    const box = await new TestBox(hub, "web").enroll();
    await box.sync();
    await edit(box, { mode: "enforce", nats: {} }, 1);
    const { sealed_credentials } = await give(box);
    expect(Buffer.from(sealed_credentials, "base64").toString("latin1")).not.toMatch(/eyJ0eXAi|SU[A-Z2-7]{56}/);
    const bytes = await Bun.file(`${hub.world.dir}/hub.db-wal`).bytes();
    expect(Buffer.from(bytes).toString("latin1")).not.toMatch(/SU[A-Z2-7]{56}/);
  });
});
