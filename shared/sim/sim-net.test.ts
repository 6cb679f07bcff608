import { describe, expect, test } from "bun:test";
import { seededRng } from "../edge/rng.ts";
import { isFault } from "../core/fault.ts";
import { HUB_CERT_PEM, HUB_KEY_PEM, HUB_PIN } from "./cluster/hub-tls.ts";
import { Scheduler } from "./scheduler.ts";
import { SimMachine } from "./sim-machine.ts";
import { FAIR, type Passage, SimNetwork } from "./sim-net.ts";
import { CALM, SimWeather } from "./weather.ts";

const COMMON = { method: "GET", timeoutMs: 1_000, replyBytesMax: 1_000 } as const;

async function pair(tls = false) {
  const scheduler = new Scheduler();
  const network = new SimNetwork(scheduler);
  const make = (name: string, address: string): SimMachine => new SimMachine({ name, address, scheduler, network, seed: "test" });
  const [hub, box] = [make("hub", "10.0.0.1"), make("box", "10.0.0.2")];
  const served: string[] = [];
  const server = hub.start("server");
  const listen = {
    on: "tcp",
    address: "0.0.0.0",
    port: 80,
    bodyBytesMax: 100,
    ...(tls ? { tls: { certPem: HUB_CERT_PEM, keyPem: HUB_KEY_PEM } } : {}),
  } as const;
  await server.world.net.serve("test", listen, (_request, peer) => {
    served.push(peer.address);
    return new Response("hello");
  });
  const client = box.start("client").world.net;
  const ask = async (pins?: readonly string[]): Promise<unknown> => {
    const asked = client.request("test", { ...COMMON, url: tls ? "https://hub:80/" : "http://hub/", ...(pins === undefined ? {} : { pins }) }).then(
      ({ status }) => status,
      (error: unknown) => (isFault(error) ? error.code : error),
    );
    await scheduler.advance(2_000);
    return asked;
  };
  const weather = (changes: Partial<Passage>): void => {
    network.weather = () => ({ ...FAIR("", ""), ...changes });
  };
  return { network, server, served, ask, weather };
}

describe("the weather between two machines", () => {
  test("a lost request is a timeout and nobody saw it", async () => {
    const { ask, served, weather } = await pair();
    weather({ request: "lost" });
    expect([await ask(), served]).toEqual(["net_timeout", []]);
  });

  test("a cut reply is no answer to a request that was served", async () => {
    const { ask, served, weather } = await pair();
    weather({ reply: "cut" });
    expect([await ask(), served]).toEqual(["net_unreachable", ["10.0.0.2"]]);
  });

  test("a request that is sent twice is served twice and answered once", async () => {
    const { ask, served, weather } = await pair();
    weather({ againMs: 100 });
    expect([await ask(), served.length]).toEqual([200, 2]);
  });

  test("a portal answers in the server's place, but not under a pinned key", async () => {
    const plain = await pair();
    plain.weather({ request: "portal" });
    expect([await plain.ask(), plain.served]).toEqual([200, []]);
    const pinned = await pair(true);
    pinned.weather({ request: "portal" });
    expect([await pinned.ask([HUB_PIN]), pinned.served]).toEqual(["net_tls", []]);
  });

  test("only a pinned key is talked to", async () => {
    const { ask, served } = await pair(true);
    expect(await ask([HUB_PIN])).toBe(200);
    expect(await ask(["another"])).toBe("net_tls");
    expect(await ask()).toBe("net_tls");
    expect(served).toHaveLength(1);
  });

  test("a server that dies cuts what it was answering", async () => {
    const { ask, server } = await pair();
    server.process.die();
    expect(await ask()).toBe("net_unreachable");
  });
});

test("a storm does what its shares say, a partition cuts both ways until it is healed", () => {
  const weather = new SimWeather(seededRng("weather"));
  weather.storm = { ...CALM, lost: 0.5 };
  const lost = Array.from({ length: 1_000 }, () => weather.weather("a", "b")).filter(({ request }) => request === "lost").length;
  expect(lost).toBeGreaterThan(400);
  expect(lost).toBeLessThan(600);
  weather.healAll();
  weather.partition("a", "b");
  expect([weather.weather("a", "b").request, weather.weather("b", "a").request, weather.weather("a", "c").request]).toEqual(["lost", "lost", "arrives"]);
  weather.heal("a", "b");
  expect(weather.weather("a", "b").request).toBe("arrives");
});
