/**
 * A hub for tests: the real store on real SQLite, the real routes behind the real server's handler, no socket. Time moves by hand, but
 * what waits for nothing (the store's next turn) goes on by itself.
 *
 *     using hub = await testHub();
 *     const admin = await hub.logIn();                       // after setup, as the test fleet's operator
 *     const reply = await hub.ask("GET", "/api/v1/hosts", { token: admin });
 */
import { base64url } from "../core/bytes.ts";
import type { Check } from "../core/health.ts";
import type { Peer } from "../ports/net.ts";
import type { AccessRole } from "../protocol/api/login.ts";
import { sign, type SigningKey } from "../trust/keys.ts";
import type { Route } from "../../hub/edge/http/route.ts";
import { hubServer } from "../../hub/edge/http/server.ts";
import { hubRoutes } from "../../hub/edge/http/service.ts";
import type { Hub } from "../../hub/edge/hub.ts";
import { openStore } from "../../hub/edge/store/open.ts";
import { agentParts, type Agents } from "../../hub/edge/sync/agents.ts";
import { loginText } from "../../hub/core/login/challenge.ts";
import { HUB_DEFAULTS, type HubSettings } from "../../hub/settings.ts";
import { SimClock } from "./sim-clock.ts";
import { FLEET_MADE_MS, type TestFleet, testFleet } from "./test-fleet.ts";
import { type TestWorld, type TestWorldOptions, testWorld } from "./test-world.ts";

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test looks into is whatever came
  readonly json: any;
  readonly text: string;
}

export interface Ask {
  readonly token?: string | undefined;
  readonly body?: unknown;
  readonly bytes?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  /** Aborts when the client's connection ends. */
  readonly gone?: AbortSignal;
}

export interface TestHub extends Disposable {
  readonly world: TestWorld;
  readonly fleet: TestFleet;
  readonly hub: Hub;
  /** The agent side's parts: sync, enrolling, guard, last-seen. */
  readonly agents: Agents;
  readonly routes: readonly Route[];
  readonly settings: HubSettings;
  /** The server's own handler, for requests that `ask` would not make. */
  handle(request: Request, peer: Peer): Promise<Response>;
  fetch(method: string, path: string, ask?: Ask): Promise<Response>;
  ask(method: string, path: string, ask?: Ask): Promise<Reply>;
  /** Gives the hub its fleet, with the setup token that was put there. */
  setUp(): Promise<Reply>;
  /** Sets up if need be and logs in by key: a session's token. */
  logIn(key?: SigningKey): Promise<string>;
  /** An API token of this role. */
  token(role: AccessRole): Promise<string>;
  /** Closes this one and opens the same directory again, as a restart does. */
  restart(): Promise<void>;
}

export const TEST_SETUP_TOKEN = "test-setup-token";
const HOUR_MS = 3_600_000;

class EagerClock extends SimClock {
  override sleep(ms: number, stop: AbortSignal): Promise<void> {
    return ms <= 0 ? new Promise((resolve) => setImmediate(resolve)) : super.sleep(ms, stop);
  }
}

export async function testHub(
  options: Omit<TestWorldOptions, "clock"> & {
    readonly routes?: (hub: Hub) => readonly Route[];
    readonly checks?: () => readonly Check[];
    readonly limits?: Partial<HubSettings["limits"]>;
    readonly dataDir?: string;
    /** Addresses of NATS servers; with `buses` where they are. */
    readonly nats?: readonly string[];
    /** When it starts, an hour after its fleet was made. For tests whose boxes are real processes. */
    readonly wallMs?: number;
  } = {},
): Promise<TestHub> {
  const { routes: more = () => [], checks = () => [], limits, dataDir, nats = [], wallMs = FLEET_MADE_MS + HOUR_MS, ...worldOptions } = options;
  const world = testWorld({ ...worldOptions, clock: new EagerClock(undefined, wallMs) });
  const settings: HubSettings = {
    ...HUB_DEFAULTS,
    dataDir: dataDir ?? world.dir,
    nats: { urls: nats, caPath: "", tokenMs: HUB_DEFAULTS.nats.tokenMs },
    limits: {
      ...HUB_DEFAULTS.limits,
      requestsPerSecondPerAddress: 1_000_000,
      refusalsPerMinutePerAddress: 1_000_000,
      enrollPerSecond: 1_000_000,
      enrollPerMinutePerAddress: 1_000_000,
      ...limits,
    },
  };
  if (dataDir === undefined) await Bun.write(`${world.dir}/setup-token`, `${TEST_SETUP_TOKEN}\n`);
  const fleet = testFleet("one", wallMs - HOUR_MS);
  let running = await start(world, settings, more, checks);
  const request = (method: string, path: string, { token, body, bytes, headers, gone }: Ask): Request =>
    new Request(`http://hub.test${path}`, {
      method,
      headers: {
        host: "hub.test",
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(bytes === undefined ? {} : { "content-type": "application/octet-stream", "content-length": String(bytes.byteLength) }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
      ...(bytes === undefined ? {} : { body: new Uint8Array(bytes) }),
      ...(gone === undefined ? {} : { signal: gone }),
    });
  const self: TestHub = {
    world,
    fleet,
    get hub() {
      return running.hub;
    },
    get agents() {
      return running.agents;
    },
    get routes() {
      return running.routes;
    },
    settings,
    handle: async (incoming, peer) => running.handle(incoming, peer),
    fetch: async (method, path, ask = {}) => running.handle(request(method, path, ask), { address: "192.0.2.7", hold: () => {} }),
    ask: async (method, path, ask = {}) => {
      const response = await self.fetch(method, path, ask);
      const text = await response.text();
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: /json/.test(response.headers.get("content-type") ?? "") ? JSON.parse(text) : undefined,
      };
    },
    setUp: () => self.ask("POST", "/api/v1/setup", { body: { setup_token: TEST_SETUP_TOKEN, root: fleet.rootEnvelope } }),
    logIn: async (key = fleet.key) => {
      if (running.hub.fleet.root === undefined) await self.setUp();
      return logIn(self, key);
    },
    token: async (role) => {
      const admin = await self.logIn();
      return (await self.ask("POST", "/api/v1/tokens", { token: admin, body: { name: `test-${role}`, role } })).json.token;
    },
    restart: async () => {
      await running.hub.store.close();
      running = await start(world, settings, more, checks);
    },
    [Symbol.dispose]: () => {
      void running.hub.store.close();
      world.remove();
    },
  };
  return self;
}

async function start(world: TestWorld, settings: HubSettings, more: (hub: Hub) => readonly Route[], checks: () => readonly Check[]) {
  const store = openStore(world, settings.dataDir);
  const agents = await agentParts(world, settings, store);
  const routes = [...hubRoutes(agents, { checks, metrics: () => [] }), ...more(agents.hub)];
  const { handle } = hubServer({ ...agents, routes });
  return { hub: agents.hub, agents, routes, handle };
}

async function logIn(hub: TestHub, key: SigningKey): Promise<string> {
  const { json: challenge } = await hub.ask("POST", "/api/v1/login/challenges");
  const text = loginText(challenge.fleet_id, { id: challenge.challenge_id, nonce: challenge.nonce, expiresAt: challenge.expires_at }, key.keyId);
  const reply = await hub.ask("POST", "/api/v1/login/sessions", {
    body: { challenge_id: challenge.challenge_id, key_id: key.keyId, signature: base64url(sign(key, text)) },
  });
  if (reply.status !== 201) throw new Error(`login was refused: ${reply.text}`);
  return reply.json.token;
}
