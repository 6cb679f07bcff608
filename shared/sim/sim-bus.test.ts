import { issueForHost, issueForHub } from "../../hub/edge/nats/credentials.ts";
import { natsKeys } from "../../hub/edge/nats/keys.ts";
import { natsServerConfig } from "../../hub/edge/nats/server-config.ts";
import { realClock } from "../edge/clock.ts";
import type { Bus } from "../ports/bus.ts";
import { natsSubjects } from "../protocol/nats-subjects.ts";
import { busContract, type BusUnderTest } from "./contracts/bus-contract.ts";
import { natsServer, startNats, whyNoNats } from "./real-nats.ts";
import { SimBusServer } from "./sim-bus.ts";
import { type TestWorld, testWorld } from "./test-world.ts";

const FLEET = "f-aaaaaaaaaaaaaaaa";
const [HOST, OTHER] = ["h-bbbbbbbbbbbbbbbb", "h-cccccccccccccccc"];
const { ofHost, everyAck } = natsSubjects(FLEET);
const subjects = {
  toHost: ofHost(HOST).op,
  fromHost: ofHost(HOST).return,
  everyAck,
  hostAck: ofHost(HOST).ack,
  others: ofHost(OTHER).ack,
  stream: "felhom-test",
};

/** Both go by the real clock: the real server knows no other. */
function connecting(world: TestWorld, url: string): Pick<BusUnderTest, "connect" | "connectShort" | "connectExpired"> {
  const keys = natsKeys(world, world.dir);
  const asHost = (lifetimeMs?: number, onRefused?: (subject: string) => void): Promise<Bus> => {
    const issued = issueForHost({ ...world, clock: realClock }, keys, { fleetId: FLEET, hostId: HOST }, lifetimeMs);
    return dial(issued, onRefused);
  };
  const dial = (issued: { readonly jwt: string; readonly seed: string; readonly inbox: string }, onRefused?: (subject: string) => void): Promise<Bus> =>
    world.buses.connect("test", {
      url,
      name: "test",
      credentials: issued,
      inbox: issued.inbox,
      timeoutMs: 5_000,
      pingMs: 10_000,
      ...(onRefused === undefined ? {} : { onRefused }),
    });
  return {
    connect: (who, onRefused) => (who === "hub" ? dial(issueForHub({ ...world, clock: realClock }, keys, FLEET)) : asHost(undefined, onRefused)),
    connectShort: () => asHost(2_500),
    connectExpired: () => asHost(-60_000),
  };
}

busContract("in memory", () => {
  const server = new SimBusServer(realClock);
  const world = testWorld({ buses: server.buses });
  return Promise.resolve({
    ...connecting(world, "nats://127.0.0.1:1"),
    kill: () => Promise.resolve(server.kill()),
    start: () => Promise.resolve(server.start()),
    loseStreams: () => server.loseStreams(),
    stop: () => Promise.resolve(world.remove()),
    subjects,
  });
});

busContract(
  `nats-server ${whyNoNats}`,
  async () => {
    const world = testWorld();
    const nats = await startNats({
      dir: world.dir,
      config: ({ port, storeDir }) =>
        natsServerConfig({ ...world, clock: realClock }, world.dir, { serverName: "n1", address: "127.0.0.1", port, storeDir, diskBytes: 64 * 1024 ** 2 }),
    });
    return {
      ...connecting(world, nats.url),
      kill: () => nats.kill(),
      start: () => nats.start(),
      loseStreams: () => nats.loseStore(),
      stop: async () => {
        await nats.kill();
        world.remove();
      },
      subjects,
    };
  },
  natsServer === null,
);
