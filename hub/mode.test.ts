import { afterEach, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { realClock } from "../shared/edge/clock.ts";
import { realNet } from "../shared/edge/net.ts";
import type { NetRequest } from "../shared/ports/net.ts";
import type { World } from "../shared/ports/world.ts";
import { type TestWorld, testWorld } from "../shared/sim/test-world.ts";
import { supervise } from "../shared/supervise.ts";
import { compose } from "./mode.ts";
import { HUB_DEFAULTS, type HubSettings } from "./settings.ts";

/** The whole hub on real sockets and a real clock. */
interface Running {
  readonly world: TestWorld;
  readonly url: string;
  readonly pin: string;
  readonly get: (path: string, extra?: Partial<NetRequest>) => Promise<{ readonly status: number; readonly text: string }>;
  stop(): Promise<void>;
}

const ends: (() => Promise<void>)[] = [];
const worlds = new Set<TestWorld>();
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  for (const world of worlds) world.remove();
  worlds.clear();
});

async function run(changes: Partial<HubSettings> = {}, world = testWorld()): Promise<Running> {
  const settings: HubSettings = {
    ...HUB_DEFAULTS,
    dataDir: `${world.dir}/hub`,
    listen: { address: "127.0.0.1", port: 0 },
    hostnames: ["hub.test", "192.0.2.10"],
    ...changes,
  };
  worlds.add(world);
  const stop = new AbortController();
  const real: World = { ...world, clock: realClock, net: realNet() };
  const logged = world.logged.length;
  const ended = supervise(compose(settings, real), real, stop.signal);
  const line = await Promise.race([ended.then(() => undefined), until(() => world.logged.slice(logged).find(({ event }) => event === "hub.listening"))]);
  if (line === undefined) throw new Error(`the hub did not start: ${JSON.stringify(world.logged.slice(logged))}`);
  const url = String(line.facts?.["url"]);
  const pin = String(line.facts?.["pin"] ?? "");
  const end = async (): Promise<void> => {
    stop.abort();
    await ended;
  };
  ends.push(end);
  const get: Running["get"] = async (path, extra = {}) => {
    const reply = await real.net.request("test", {
      method: "GET",
      url: `${url}${path}`,
      timeoutMs: 5_000,
      replyBytesMax: 1024 ** 2,
      ...(pin === "" ? {} : { pins: [pin] }),
      ...extra,
    });
    return { status: reply.status, text: new TextDecoder().decode(reply.body) };
  };
  return { world, url, pin, get, stop: end };
}

async function until<T>(found: () => T | undefined): Promise<T> {
  for (;;) {
    const value = found();
    if (value !== undefined) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const modeOf = (path: string): number => statSync(path).mode & 0o777;

test("a first start makes a private directory, a key, a certificate and a setup token, and says what to do next", async () => {
  const { world, url, pin, get } = await run();
  expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  expect(pin).toMatch(/^[A-Za-z0-9_-]{43}$/);
  const dir = `${world.dir}/hub`;
  expect([modeOf(dir), modeOf(`${dir}/tls`), modeOf(`${dir}/tls/key.pem`), modeOf(`${dir}/setup-token`), modeOf(`${dir}/hub.db`)]).toEqual([
    0o700, 0o700, 0o600, 0o600, 0o600,
  ]);
  const next = world.logged.find(({ event }) => event === "hub.setup_waiting");
  expect(String(next?.facts?.["next"])).toContain(`felhom login --hub ${url} --pin ${pin} --setup-token-file`);
  expect(JSON.stringify(world.logged)).not.toContain((await Bun.file(`${dir}/setup-token`).text()).trim());
  expect(await get("/healthz")).toEqual({ status: 200, text: '{"alive":true}' });
  const ready = await get("/readyz");
  expect([ready.status, JSON.parse(ready.text).ready]).toEqual([200, true]);
});

test("the certificate is for the hub's names, signs nothing else, and stays over restarts", async () => {
  const first = await run();
  const { X509Certificate } = await import("node:crypto");
  const certificate = new X509Certificate(await Bun.file(`${first.world.dir}/hub/tls/cert.pem`).text());
  expect(certificate.ca).toBe(false);
  expect(certificate.subjectAltName).toContain("DNS:hub.test");
  expect(certificate.subjectAltName).toContain("IP Address:192.0.2.10");
  expect(certificate.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
  await first.stop();
  expect((await run({}, first.world)).pin).toBe(first.pin);
});

test("a client that pins another key is refused by itself", async () => {
  const { get } = await run();
  expect(await get("/healthz", { pins: ["A".repeat(43)] }).catch((error: unknown) => error)).toMatchObject({ code: "net_tls" });
});

test.each([
  [{ listen: { address: "0.0.0.0", port: 0 }, tls: { use: "none" } as const }, "would travel in the clear"],
  [{ listen: { address: "::", port: 0 }, tls: { use: "none" } as const }, "would travel in the clear"],
])("plain HTTP where others can listen is refused at start", async (changes, words) => {
  expect(String(await run(changes).catch((error: unknown) => error))).toContain(words);
});

test("plain HTTP on loopback is served", async () => {
  const { url, get } = await run({ tls: { use: "none" } });
  expect(url).toStartWith("http://127.0.0.1:");
  expect((await get("/healthz")).status).toBe(200);
});

test("A11 for the hub: a second one on the same directory does not start", async () => {
  const { world } = await run();
  expect(String(await run({}, world).catch((error: unknown) => error))).toContain("lock_held");
});

test("a data directory that others may write is refused", async () => {
  const world = testWorld();
  world.files.makeDir("test", `${world.dir}/hub`, 0o700);
  world.files.chmod("test", `${world.dir}/hub`, 0o777);
  expect(String(await run({}, world).catch((error: unknown) => error))).toContain("file_unsafe");
});

test("a key that is gone is an error, not a first start", async () => {
  const first = await run();
  await first.stop();
  first.world.files.remove("test", `${first.world.dir}/hub/tls/key.pem`);
  expect(String(await run({}, first.world).catch((error: unknown) => error))).toContain("file_missing");
});

test("a certificate that is gone is made again for the same key", async () => {
  const first = await run();
  await first.stop();
  first.world.files.remove("test", `${first.world.dir}/hub/tls/cert.pem`);
  expect((await run({}, first.world)).pin).toBe(first.pin);
});
