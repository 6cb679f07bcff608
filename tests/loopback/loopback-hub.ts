/**
 * A hub for real boxes: the real store, routes and server handler behind a socket on loopback, with a clock that follows the real one,
 * and a place where a test may replace any answer. What a test does there is what whoever holds the hub can do: the fleet's key is
 * used for the operator's part of a story only (`approve`, `publish`).
 */
import { utf8 } from "../../shared/core/bytes.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { type TestHub, testHub } from "../../shared/sim/test-hub.ts";
import { encodeJoinCode } from "../../shared/trust/join-code.ts";
import { hostCertPayload } from "../../shared/trust/payloads.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";

const TICK_MS = 20;
const DAY_MS = 86_400_000;

export interface Asked {
  readonly method: string;
  readonly path: string;
  /** What the box said, for a JSON body. */
  // oxlint-disable-next-line typescript/no-explicit-any -- what a test looks into is whatever came
  readonly json: any;
}

export type Intercept = (asked: Asked, send: () => Promise<Response>) => Promise<Response>;

export class LoopbackHub implements AsyncDisposable {
  readonly hub: TestHub;
  readonly asked: Asked[] = [];
  /** Replaces what the hub answers; it may do anything that needs no operator's key. */
  intercept: Intercept | undefined;
  /** False: every connection is answered with 503, as by a proxy without a hub. */
  online = true;
  readonly #server: Bun.Server<undefined>;
  readonly #pump: Timer;
  #admin = "";

  private constructor(hub: TestHub) {
    this.hub = hub;
    this.#server = Bun.serve({ hostname: "127.0.0.1", port: 0, idleTimeout: 0, fetch: (request) => this.#answer(request) });
    this.#pump = this.#follow();
  }

  static async start(): Promise<LoopbackHub> {
    const loopback = new LoopbackHub(await testHub({ wallMs: Date.now() }));
    loopback.#admin = await loopback.hub.logIn();
    return loopback;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  get admin(): string {
    return this.#admin;
  }

  get joinCode(): string {
    const { root } = this.hub.fleet;
    return encodeJoinCode({ fleetId: root.payload.fleet_id, rootHash: root.hash, pins: [] });
  }

  /** The pages of a list of the operator API, whole. */
  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  async items(path: string): Promise<readonly any[]> {
    const reply = await this.hub.ask("GET", path, { token: this.#admin });
    if (reply.status !== 200) throw new Error(`${path}: ${reply.text}`);
    return reply.json.items;
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- as above
  async host(hostId: string): Promise<any> {
    return (await this.hub.ask("GET", `/api/v1/hosts/${hostId}`, { token: this.#admin })).json?.item;
  }

  /** Requests of this name that wait for an operator. */
  async pending(name: string): Promise<readonly { readonly request_id: string; readonly host_id: string; readonly statement: string }[]> {
    return (await this.items("/api/v1/enrollments?state=pending&limit=500")).filter(({ statement }) => JSON.parse(statement).name === name);
  }

  /** The operator says yes: signs a certificate over the keys that the box showed. */
  async approve(name: string, labels: Readonly<Record<string, string>> = {}): Promise<string> {
    const [request] = await this.pending(name);
    if (request === undefined) throw new Error(`${name} does not wait for an operator`);
    const { signing_key, box_key } = JSON.parse(request.statement);
    const { fleet, world } = this.hub;
    const host_cert = signPayload(
      "host-cert",
      hostCertPayload,
      {
        v: 1,
        fleet_id: fleet.root.payload.fleet_id,
        host_id: request.host_id as never,
        serial: 1,
        name,
        labels,
        signing_key,
        box_key,
        created_at: world.clock.wallMs(),
      },
      [fleet.key],
    );
    const reply = await this.hub.ask("POST", `/api/v1/enrollments/${request.request_id}/approve`, { token: this.#admin, body: { host_cert } });
    if (reply.status !== 200) throw new Error(reply.text);
    return request.host_id;
  }

  bundle(version: number, files: Readonly<Record<string, string>>): ReturnType<TestHub["fleet"]["bundle"]> {
    const nowMs = this.hub.world.clock.wallMs();
    return this.hub.fleet.bundle(version, files, { created_at: nowMs, expires_at: nowMs + 30 * DAY_MS });
  }

  async upload(files: Readonly<Record<string, string>>): Promise<void> {
    for (const text of Object.values(files)) await this.hub.ask("PUT", `/api/v1/blobs/${sha256Hex(utf8(text))}`, { token: this.#admin, bytes: utf8(text) });
  }

  async publish(version: number, files: Readonly<Record<string, string>>): Promise<void> {
    await this.upload(files);
    const reply = await this.hub.ask("POST", "/api/v1/bundles", { token: this.#admin, body: { envelope: this.bundle(version, files) } });
    if (reply.status >= 300) throw new Error(reply.text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#pump);
    await this.#server.stop(true);
    this.hub[Symbol.dispose]();
  }

  async #answer(request: Request): Promise<Response> {
    if (!this.online) return new Response("nobody is here", { status: 503 });
    const { pathname } = new URL(request.url);
    const body = request.method === "POST" ? await request.clone().text() : "";
    const asked: Asked = { method: request.method, path: pathname, json: body.startsWith("{") ? JSON.parse(body) : undefined };
    this.asked.push(asked);
    const send = (): Promise<Response> => this.hub.handle(request, { address: "127.0.0.1", hold: () => {} });
    return this.intercept === undefined ? send() : this.intercept(asked, send);
  }

  /** The hub's time goes as real time does. */
  #follow(): Timer {
    const { clock } = this.hub.world;
    let lastMs = performance.now();
    return setInterval(() => {
      const nowMs = performance.now();
      const passedMs = nowMs - lastMs;
      lastMs = nowMs;
      void clock.advance(passedMs).then(() => this.hub.hub.courier.turn(clock.monoMs()));
    }, TICK_MS);
  }
}
