/**
 * Attack 89 on a real nats-server: a host with its own valid credentials tries everything that is not its own. The configuration is the
 * one that `felhom hub nats-config` writes, the credentials the ones that a sync reply carries.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect as rawConnect, jwtAuthenticator } from "@nats-io/transport-node";
import { utf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import { realClock } from "../../../shared/edge/clock.ts";
import type { Bus, BusMessage } from "../../../shared/ports/bus.ts";
import { natsSubjects, returnsStream } from "../../../shared/protocol/nats-subjects.ts";
import { natsServer, type RealNats, startNats, whyNoNats } from "../../../shared/sim/real-nats.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import { type Issued, issueForHost, issueForHub } from "./credentials.ts";
import { natsKeys } from "./keys.ts";
import { natsServerConfig } from "./server-config.ts";

const FLEET = "f-aaaaaaaaaaaaaaaa";
const [OWN, OTHER] = ["h-bbbbbbbbbbbbbbbb", "h-cccccccccccccccc"];
const subjects = natsSubjects(FLEET);
const STREAM = returnsStream(FLEET);
const BODY = utf8("x");

let world: TestWorld;
let nats: RealNats;
let hub: Bus;
let host: Bus;
let other: Bus;
const refused: string[] = [];

const connect = (issued: Issued, name: string, onRefused?: (subject: string) => void): Promise<Bus> =>
  world.buses.connect("test.connect", {
    url: nats.url,
    name,
    credentials: issued,
    inbox: issued.inbox,
    timeoutMs: 5_000,
    pingMs: 30_000,
    ...(onRefused === undefined ? {} : { onRefused }),
  });

/** A client that keeps to none of our port's manners. */
const rawHost = () => {
  const { jwt, seed } = issueForHost(world, natsKeys(world, world.dir), { fleetId: FLEET, hostId: OWN });
  return rawConnect({ servers: nats.url, authenticator: jwtAuthenticator(jwt, utf8(seed)), reconnect: false });
};

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (isFault(error) ? error.code : String(error)),
  );

describe.skipIf(natsServer === null)(`a host on the bus ${whyNoNats}`, () => {
  beforeAll(async () => {
    world = testWorld();
    // The server goes by its own clock.
    world.clock.jumpWall(realClock.wallMs() - world.clock.wallMs());
    nats = await startNats({
      dir: world.dir,
      config: ({ port, storeDir }) => natsServerConfig(world, world.dir, { serverName: "n1", address: "127.0.0.1", port, storeDir, diskBytes: 64 * 1024 ** 2 }),
    });
    const keys = natsKeys(world, world.dir);
    hub = await connect(issueForHub(world, keys, FLEET), "hub");
    host = await connect(issueForHost(world, keys, { fleetId: FLEET, hostId: OWN }), OWN, (subject) => refused.push(subject));
    other = await connect(issueForHost(world, keys, { fleetId: FLEET, hostId: OTHER }), OTHER);
    const streams = await hub.streams();
    await streams.ensure({
      name: STREAM,
      subjects: [subjects.everyReturn],
      bytesMax: 16 * 1024 ** 2,
      ageMsMax: 3_600_000,
      messageBytesMax: 256 * 1024,
      perSubjectMax: 100,
      replicas: 1,
    });
  });
  afterAll(async () => {
    for (const bus of [host, other, hub]) await bus.close();
    await nats.stop();
    world.remove();
  });

  test("hears the broadcast and its own op subject, and sends its ack, its sign of life and its returns", async () => {
    const heard: BusMessage[] = [];
    const twice = Promise.withResolvers<void>();
    const hear = (message: BusMessage): void => void (heard.push(message) === 2 && twice.resolve());
    const listening = [await host.subscribe(subjects.broadcast, hear), await host.subscribe(subjects.ofHost(OWN).op, hear)];
    hub.publish(subjects.broadcast, BODY);
    hub.publish(subjects.ofHost(OWN).op, BODY);
    await twice.promise;
    expect(heard.map(({ subject }) => subject)).toEqual([subjects.broadcast, subjects.ofHost(OWN).op]);
    for (const one of listening) one.end();
    const came = Promise.withResolvers<string>();
    const acks = await hub.subscribe(subjects.everyAck, ({ subject }) => came.resolve(subject));
    host.publish(subjects.ofHost(OWN).ack, BODY);
    expect(await came.promise).toBe(subjects.ofHost(OWN).ack);
    acks.end();
    expect(await host.publishDurable(subjects.ofHost(OWN).return, BODY, 5_000)).toEqual({ stream: STREAM, seq: expect.any(Number) });
    expect(refused).toEqual([]);
  });

  const listens: readonly string[] = [
    ">",
    "felhom.>",
    "*.*.op",
    `felhom.${FLEET}.>`,
    `felhom.${FLEET}.*`,
    `felhom.${FLEET}.host.*.op`,
    `felhom.${FLEET}.host.${OTHER}.op`,
    `felhom.${FLEET}.host.${OTHER}.return`,
    `felhom.${FLEET}.host.${OWN}.>`,
    `felhom.${FLEET}.host.${OWN}.return`,
    "felhom.f-dddddddddddddddd.op",
    "_INBOX.>",
    `_INBOX.${OTHER}.>`,
    "_INBOX.hub.>",
    "$SYS.>",
    "$SYS.ACCOUNT.*.CONNECT",
    "$JS.>",
    "$JS.EVENT.ADVISORY.>",
    "$JS.API.STREAM.INFO.*",
    "_R_.>",
  ];
  for (const subject of listens) {
    test(`cannot listen to ${subject}`, async () => {
      expect(await codeOf(host.subscribe(subject, () => undefined))).toBe("denied");
    });
  }

  const sends: readonly string[] = [
    subjects.broadcast,
    subjects.ofHost(OWN).op,
    subjects.ofHost(OTHER).op,
    subjects.ofHost(OTHER).ack,
    subjects.ofHost(OTHER).return,
    subjects.ofHost(OTHER).alive,
    `_INBOX.${OTHER}.x`,
    "_INBOX.hub.x",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
    "$SYS.REQ.USER.INFO",
    `$JS.API.STREAM.DELETE.${STREAM}`,
    `$JS.API.STREAM.PURGE.${STREAM}`,
    `$JS.API.STREAM.CREATE.mine`,
    `$JS.API.STREAM.MSG.GET.${STREAM}`,
    `$JS.API.DIRECT.GET.${STREAM}`,
    `$JS.API.CONSUMER.CREATE.${STREAM}`,
    `$JS.API.CONSUMER.MSG.NEXT.${STREAM}.hub`,
    `$JS.API.CONSUMER.DELETE.${STREAM}.hub`,
    "$JS.API.INFO",
    `$JS.ACK.${STREAM}.hub.1.1.1.1.1`,
  ];
  for (const subject of sends) {
    test(`cannot send to ${subject}`, async () => {
      const before = refused.length;
      host.publish(subject, BODY);
      await host.flush(5_000);
      expect(refused.slice(before)).toEqual([subject]);
    });
  }

  test("cannot make the stream say an op in its name: what a reply subject brings to another host is an acknowledgement", async () => {
    const heard: string[] = [];
    const listening = await other.subscribe(subjects.ofHost(OTHER).op, ({ body }) => void heard.push(new TextDecoder().decode(body)));
    const raw = await rawHost();
    raw.publish(subjects.ofHost(OWN).return, BODY, { reply: subjects.ofHost(OTHER).op });
    await raw.flush();
    await hub.flush(5_000);
    await other.flush(5_000);
    for (const text of heard) expect(JSON.parse(text)).toEqual({ stream: STREAM, seq: expect.any(Number) });
    listening.end();
    await raw.close();
  });

  test("cannot send more than its message limit: the server ends that connection, and no other", async () => {
    const raw = await rawHost();
    expect(raw.info?.max_payload).toBe(256 * 1024);
    if (raw.info !== undefined) raw.info.max_payload = 10 * 1024 ** 2;
    raw.publish(subjects.ofHost(OWN).return, new Uint8Array(300 * 1024));
    await raw.closed();
    await other.flush(5_000);
  });

  test("cannot hold more subscriptions than it needs", async () => {
    const raw = await rawHost();
    const heard: number[] = [];
    for (let count = 0; count < 12; count += 1) raw.subscribe(subjects.broadcast, { callback: () => void heard.push(count) });
    await raw.flush();
    hub.publish(subjects.broadcast, BODY);
    await hub.flush(5_000);
    await raw.flush();
    expect(heard).toHaveLength(8);
    await raw.close();
  });

  test("cannot connect with an expired token, with another's seed, or with a token it changed", async () => {
    const keys = natsKeys(world, world.dir);
    const expired = issueForHost(world, keys, { fleetId: FLEET, hostId: OWN }, -60_000);
    expect(await codeOf(connect(expired, OWN))).toBe("denied");
    const [a, b] = [issueForHost(world, keys, { fleetId: FLEET, hostId: OWN }), issueForHost(world, keys, { fleetId: FLEET, hostId: OTHER })];
    expect(await codeOf(connect({ ...a, seed: b.seed }, OWN))).toBe("denied");
    const [head, claims, signature] = a.jwt.split(".");
    const changed = Buffer.from(
      Buffer.from(claims ?? "", "base64url")
        .toString()
        .replaceAll(OWN, OTHER),
    ).toString("base64url");
    expect(await codeOf(connect({ ...a, jwt: `${head}.${changed}.${signature}` }, OWN))).toBe("denied");
  });

  test("is put out by the server when its token expires", async () => {
    const short = await connect(issueForHost(world, natsKeys(world, world.dir), { fleetId: FLEET, hostId: OWN }, 2_500), OWN);
    expect((await short.closed)?.code).toBe("denied");
  });

  test("the stream is whole after all that", async () => {
    const status = await (await hub.streams()).status(STREAM);
    expect(status?.stream).toMatchObject({ name: STREAM, replicas: 1, replicasCurrent: 1 });
    expect(status?.stream.messages).toBe(2);
  });
});
