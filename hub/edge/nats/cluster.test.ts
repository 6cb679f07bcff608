/**
 * C03 on three real servers with the configuration that the hub writes: one lost, then two, then all back. What was kept stays kept, what
 * cannot be kept is refused to its sender (who has the sync), and the warning is there as long as a copy is missing.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { utf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import { realClock } from "../../../shared/edge/clock.ts";
import type { Bus } from "../../../shared/ports/bus.ts";
import { natsSubjects, returnsStream } from "../../../shared/protocol/nats-subjects.ts";
import { freePort } from "../../../shared/sim/free-port.ts";
import { natsServer, type RealNats, startNats, whyNoNats } from "../../../shared/sim/real-nats.ts";
import { type TestWorld, testWorld } from "../../../shared/sim/test-world.ts";
import { type Issued, issueForHost, issueForHub } from "./credentials.ts";
import { natsKeys } from "./keys.ts";
import { natsServerConfig } from "./server-config.ts";
import { CONSUMER, ensureStream, underReplicated } from "./stream.ts";

const FLEET = "f-aaaaaaaaaaaaaaaa";
const HOST = "h-bbbbbbbbbbbbbbbb";
const { ofHost } = natsSubjects(FLEET);
const SERVERS = [0, 1, 2] as const;

let world: TestWorld;
const servers: RealNats[] = [];
const now = () => ({ ...world, clock: realClock });

const server = (at: number): RealNats => {
  const found = servers[at];
  if (found === undefined) throw new Error(`no server ${at}`);
  return found;
};
const dial = (at: number, issued: Issued): Promise<Bus> =>
  world.buses.connect("test", { url: server(at).url, name: "test", credentials: issued, inbox: issued.inbox, timeoutMs: 5_000, pingMs: 10_000 });
const asHub = (at: number): Promise<Bus> => dial(at, issueForHub(now(), natsKeys(world, world.dir), FLEET));
const asHost = (at: number): Promise<Bus> => dial(at, issueForHost(now(), natsKeys(world, world.dir), { fleetId: FLEET, hostId: HOST }));

/** Elections take their time: asked again, with a new connection each time, for half a minute at most. */
async function until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  let last: unknown;
  for (let tries = 0; tries < 300; tries += 1) {
    try {
      const found = await ask();
      if (found !== undefined) return found;
    } catch (error) {
      if (!isFault(error)) throw error;
      last = error;
    }
    await Bun.sleep(100);
  }
  throw new Error(`never: ${what}: ${String(last)}`);
}

async function at<T>(connect: Promise<Bus>, work: (bus: Bus) => Promise<T>): Promise<T> {
  const bus = await connect;
  try {
    return await work(bus);
  } finally {
    await bus.close();
  }
}

const statusAt = (place: number) => at(asHub(place), async (bus) => (await (await bus.streams()).status(returnsStream(FLEET)))?.stream);
const keep = (place: number, text: string) => at(asHost(place), (bus) => bus.publishDurable(ofHost(HOST).return, utf8(text), 2_000));

describe.skipIf(natsServer === null)(`three servers ${whyNoNats}`, () => {
  beforeAll(async () => {
    world = testWorld();
    const routePorts = [await freePort(), await freePort(), await freePort()];
    for (const place of SERVERS) {
      const dir = `${world.dir}/n${place}`;
      mkdirSync(dir);
      const routes = routePorts.filter((_, other) => other !== place).map((port) => `nats-route://127.0.0.1:${port}`);
      const cluster = { name: "felhom", address: "127.0.0.1", port: routePorts[place] ?? 0, routes };
      servers.push(
        await startNats({
          dir,
          config: ({ port, storeDir }) =>
            natsServerConfig(now(), world.dir, { serverName: `n${place}`, address: "127.0.0.1", port, storeDir, diskBytes: 1024 ** 3, cluster }),
        }),
      );
    }
  }, 240_000);
  afterAll(async () => {
    for (const one of servers) await one.kill();
    world.remove();
  });

  test("one lost, two lost, all back", async () => {
    // Three copies, also where the stream was made before the third server had found the others.
    await until("a stream with three copies", async () => {
      const { replicas } = await at(asHub(0), async (bus) => ensureStream(await bus.streams(), FLEET));
      return replicas === 3 ? true : undefined;
    });
    await until("all are current", async () => ((await statusAt(0))?.replicasCurrent === 3 ? true : undefined));
    await until("it keeps", () => keep(0, "first"));
    // With one server lost it goes on keeping, and warns.
    await server(0).kill();
    await until("it keeps", () => keep(1, "second"));
    const why = await until("the warning", async () => {
      const status = await statusAt(1);
      return status === undefined ? undefined : underReplicated(status, SERVERS.length);
    });
    expect(why).toContain("2 of 3 copies");
    // With two lost nothing is kept, and the sender is told.
    await server(1).kill();
    const code = await keep(2, "third").then(
      () => "kept",
      (error: unknown) => (isFault(error) ? error.code : String(error)),
    );
    expect(["net_timeout", "unavailable", "net_unreachable"]).toContain(code);
    // With all back it has what it had kept, and three copies.
    await server(0).start();
    await server(1).start();
    await until("it keeps", () => keep(2, "fourth"));
    await until("all are current", async () => ((await statusAt(2))?.replicasCurrent === 3 ? true : undefined));
    const texts = await until("a consumer", () =>
      at(asHub(2), async (bus) => {
        const consumer = await (await bus.streams()).consume(returnsStream(FLEET), { durable: CONSUMER, ackWaitMs: 30_000, unackedMax: 100 });
        const taken: string[] = [];
        while (!taken.includes("fourth")) {
          const batch = await consumer.take(100, 5_000);
          for (const one of batch) {
            taken.push(new TextDecoder().decode(one.body));
            one.ack();
          }
        }
        await bus.flush(5_000);
        await consumer.end();
        return taken;
      }),
    );
    // What was refused may have been kept all the same, once per try: its sender has the sync too, and a repeat is no second answer.
    expect([...new Set(texts)].filter((text) => text !== "third")).toEqual(["first", "second", "fourth"]);
  }, 240_000);
});
