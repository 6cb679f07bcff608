/** What both ways of `job.fanout_1000` share: a hub's data directory, its hosts with keys of their own, and the operator who asks them. */
import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { base64url, fromBase64, fromUtf8, utf8 } from "../../shared/core/bytes.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { realCrypto } from "../../shared/edge/crypto.ts";
import { newOp } from "../../shared/ops/new-op.ts";
import { type TestFleet, testFleet, testHost, type TestHost, valueOf } from "../../shared/sim/test-fleet.ts";
import { type Envelope, signEnvelope } from "../../shared/trust/envelope.ts";
import type { HostIdentity } from "../../shared/trust/host-identity.ts";
import { sign } from "../../shared/trust/keys.ts";
import { refuse, type Verdict } from "../../shared/trust/verdict.ts";
import { ReturnJudge } from "../../operator/edge/return-judge.ts";
import type { OpReturnItem } from "../../shared/protocol/api/ops.ts";
import { type BenchHost, makeHubFixture } from "./hub-fixture.ts";

/** Connections that are opened at the same moment. */
export const AT_ONCE = 200;
const LIFETIME_MS = 600_000;
const ROUND_MS_MAX = 60_000;

export interface FanHost extends BenchHost {
  readonly keys: TestHost;
}

export interface FanFleet {
  readonly fleet: TestFleet;
  readonly hosts: readonly FanHost[];
}

/** What was opened on the way to a fan: ended with it, and also when the way there fails, newest first. */
export class Opened {
  readonly #ends: (() => Promise<unknown>)[] = [];

  async add<T>(opening: Promise<T>, end: (opened: T) => Promise<unknown>): Promise<T> {
    const opened = await opening;
    this.#ends.push(() => end(opened));
    return opened;
  }

  async end(): Promise<void> {
    for (const end of this.#ends.reverse().splice(0)) await end();
  }

  async orEnd<T>(making: Promise<T>): Promise<T> {
    try {
      return await making;
    } catch (error) {
      await this.end();
      throw error;
    }
  }
}

/** `hubDir` does not exist yet. */
export async function fanFleet(hubDir: string, count: number): Promise<FanFleet> {
  mkdirSync(hubDir, { recursive: true, mode: 0o700 });
  const fleet = testFleet();
  const hosts = (await makeHubFixture(hubDir, count)).map((known, at): FanHost => ({ ...known, keys: testHost(`bench ${at}`) }));
  // The fixture gives all hosts one certificate; answers are verified against each host's own.
  const database = new Database(`${hubDir}/hub.db`);
  const update = database.prepare("UPDATE hosts SET host_cert = ? WHERE host_id = ?");
  database.transaction(() => {
    for (const { hostId, keys } of hosts) update.run(JSON.stringify(fleet.cert(keys)), hostId);
  })();
  database.close();
  return { fleet, hosts };
}

/** The op's id, and the host's signed answer to it. */
export function answerTo(envelope: { readonly payload: string }, { fleet }: FanFleet, { keys }: FanHost): { readonly opId: string; readonly answer: Envelope } {
  const bytes = fromBase64(envelope.payload) ?? new Uint8Array();
  const { id } = JSON.parse(fromUtf8(bytes)) as { id: string };
  const { fleet_id } = fleet.root.payload;
  const body = { v: 1, fleet_id, host_id: keys.hostId, op_id: id, op_sha256: sha256Hex(bytes), part: 0, state: "done", at: Date.now() };
  return { opId: id, answer: signEnvelope("return", utf8(JSON.stringify(body)), [keys.signingKey]) };
}

export class FanOperator {
  readonly #base: string;
  readonly #fleet: TestFleet;
  readonly #identities: ReadonlyMap<string, Verdict<HostIdentity>>;
  readonly #crypto = realCrypto();
  #token: string | undefined;

  constructor(port: number, { fleet, hosts }: FanFleet) {
    this.#base = `http://127.0.0.1:${port}`;
    this.#fleet = fleet;
    this.#identities = new Map(hosts.map(({ hostId, keys }) => [hostId, { ok: true, value: fleet.identity(keys) }]));
  }

  async logIn(): Promise<void> {
    const { challenge_id, nonce } = (await this.#post("/api/v1/login/challenges", undefined)) as { challenge_id: string; nonce: string };
    const { key, root } = this.#fleet;
    const text = `felhom login\n${root.payload.fleet_id}\n${challenge_id}\n${nonce}\n${key.keyId}`;
    const body = { challenge_id, key_id: key.keyId, signature: base64url(sign(key, utf8(text))) };
    this.#token = ((await this.#post("/api/v1/login/sessions", body)) as { token: string }).token;
  }

  /** Milliseconds from the upload of a `ping` to everybody to the last answer that verified. */
  async job(): Promise<number> {
    const { key, root } = this.#fleet;
    const wish = { fleetId: root.payload.fleet_id, kind: "ping", target: { expr: "true" }, params: {}, issuedAt: Date.now(), lifetimeMs: LIFETIME_MS };
    const op = valueOf(newOp(wish, this.#crypto));
    const envelope = signEnvelope("op", op.bytes, [key]);
    const startedMs = performance.now();
    await this.#post("/api/v1/ops", { envelope });
    const stream = await fetch(`${this.#base}/api/v1/ops/${op.payload.id}/returns/stream`, {
      headers: this.#headers(),
      signal: AbortSignal.timeout(ROUND_MS_MAX),
    });
    const verified = new Set<string>();
    let lastMs = Number.POSITIVE_INFINITY;
    const judge = new ReturnJudge({
      crypto: this.#crypto,
      identities: { of: (hostId) => Promise.resolve(this.#identities.get(hostId) ?? refuse("key_unknown", hostId)) },
      op: { id: op.payload.id, sha256: op.sha256 },
      take: ({ item, verdict }) => {
        if (!verdict.ok) throw new Error(`the answer of ${item.host_id} does not verify: ${verdict.refusal}`);
        verified.add(item.host_id);
        lastMs = performance.now();
      },
    });
    if (!stream.ok || stream.body === null) throw new Error(`the stream of answers: ${stream.status} ${await stream.text()}`);
    // It ends by itself, when the op's last state was told.
    for await (const item of returnsIn(stream.body)) await judge.hear(item);
    await judge.settled();
    if (verified.size < this.#identities.size) throw new Error(`the stream ended after ${verified.size} of ${this.#identities.size} answers`);
    return lastMs - startedMs;
  }

  #headers(): Record<string, string> {
    return { "content-type": "application/json", ...(this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }) };
  }

  async #post(path: string, body: unknown): Promise<unknown> {
    const reply = await fetch(`${this.#base}${path}`, {
      method: "POST",
      headers: this.#headers(),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  }
}

async function* returnsIn(stream: ReadableStream<Uint8Array>): AsyncGenerator<OpReturnItem> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const events = text.split("\n\n");
    text = events.pop() ?? "";
    for (const event of events)
      if (event.includes("event: return\n")) yield JSON.parse(event.slice(event.indexOf("\ndata: ") + "\ndata: ".length)) as OpReturnItem;
  }
}
