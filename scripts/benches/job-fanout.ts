/**
 * One signed `ping` to 1 000 hosts, from the upload to the last answer that the operator has verified: the real hub in a process of its own
 * with all its durable writes, 1 000 light agents in this one, each holding a sync on a socket of its own and signing its answer; the answers come
 * back over the operator's event stream. Floor: 1 000 NATS clients, each on a connection of its own to a real nats-server, answer one
 * message of a client that gathers the replies: no signature, no disk.
 */
import { Database } from "bun:sqlite";
import { connect as connectTcp } from "node:net";
import { connect as connectNats, type NatsConnection } from "@nats-io/transport-node";
import { base64url, fromBase64, utf8 } from "../../shared/core/bytes.ts";
import { sha256Hex as sha256Field } from "../../shared/protocol/fields.ts";
import { newOp } from "../../shared/ops/new-op.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { natsServer, startNats } from "../../shared/sim/real-nats.ts";
import { type TestFleet, testFleet, testHost, type TestHost, valueOf } from "../../shared/sim/test-fleet.ts";
import { signEnvelope } from "../../shared/trust/envelope.ts";
import { sign } from "../../shared/trust/keys.ts";
import { signReturn, verifyReturn } from "../../shared/trust/op.ts";
import { type Bench, median } from "./bench.ts";
import { type BenchHost, benchSync, benchWorld, makeHubFixture } from "./hub-fixture.ts";
import { startBenchServer, withDir } from "./hub-server.ts";

const HOSTS = 1_000;
const ROUNDS = 5;
const AT_ONCE = 200;
const HOLD_MS = 55_000;
const SETTLE_MS = 1_500;

interface Agent extends BenchHost {
  readonly host: TestHost;
  seq: number;
  wire: Wire | undefined;
}

export async function jobFanout1000(): Promise<Bench[]> {
  if (natsServer === null) return [];
  const value = median(await withDir(fanOuts));
  const floor = median(await withDir(gatherings));
  return [
    { bench: "job.fanout_1000", value, unit: "ms", floor, floorName: "1 000 raw NATS replies", ratio: value / floor, mustReach: { at: "most", ratio: 5 } },
  ];
}

async function fanOuts(dir: string): Promise<readonly number[]> {
  const hosts = await makeHubFixture(dir, HOSTS);
  const fleet = testFleet();
  const agents = hosts.map((known, at): Agent => ({ ...known, host: testHost(`bench ${at}`), seq: 0, wire: undefined }));
  certify(dir, fleet, agents);
  const identities = new Map(agents.map(({ hostId, host }) => [hostId, fleet.identity(host)]));
  const hub = await startBenchServer("hub", dir, "0");
  const fan = new Fan(hub.port, fleet);
  try {
    const token = await fan.logIn();
    for (let from = 0; from < HOSTS; from += AT_ONCE) await Promise.all(agents.slice(from, from + AT_ONCE).map((agent) => fan.enter(agent)));
    const times: number[] = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      await Bun.sleep(SETTLE_MS);
      const ms = await fan.job(token, (hostId, envelope) => {
        const identity = identities.get(hostId);
        return identity !== undefined && verifyReturn(envelope, identity).ok;
      });
      if (round > 0) times.push(ms);
    }
    return times;
  } finally {
    fan.isOver = true;
    await hub.stop();
  }
}

/** The fixture gives all hosts one certificate; answers are verified against each host's own. */
function certify(dir: string, fleet: TestFleet, agents: readonly Agent[]): void {
  const database = new Database(`${dir}/hub.db`);
  const update = database.prepare("UPDATE hosts SET host_cert = ? WHERE host_id = ?");
  database.transaction(() => {
    for (const { hostId, host } of agents) update.run(JSON.stringify(fleet.cert(host)), hostId);
  })();
  database.close();
}

type SignedReturn = Parameters<typeof verifyReturn>[0];

class Fan {
  readonly #port: number;
  readonly #fleet: TestFleet;
  isOver = false;

  constructor(port: number, fleet: TestFleet) {
    this.#port = port;
    this.#fleet = fleet;
  }

  async logIn(): Promise<string> {
    const { challenge_id, nonce } = (await this.#api("/api/v1/login/challenges", undefined, undefined)) as { challenge_id: string; nonce: string };
    const { key, root } = this.#fleet;
    const text = `felhom login\n${root.payload.fleet_id}\n${challenge_id}\n${nonce}\n${key.keyId}`;
    const body = { challenge_id, key_id: key.keyId, signature: base64url(sign(key, utf8(text))) };
    return ((await this.#api("/api/v1/login/sessions", undefined, body)) as { token: string }).token;
  }

  /** Is answered once, then holds; answers every op that it is given. */
  async enter(agent: Agent): Promise<void> {
    await this.#sync(agent, 0, []);
    void this.#hold(agent);
  }

  async #hold(agent: Agent): Promise<void> {
    while (!this.isOver) {
      const { ops = [] } = (await this.#sync(agent, HOLD_MS, [])) ?? {};
      const outbox = ops.map(({ payload }) => {
        const bytes = fromBase64(payload) ?? new Uint8Array();
        const { id } = JSON.parse(new TextDecoder().decode(bytes)) as { id: string };
        agent.seq += 1;
        return { seq: agent.seq, kind: "return", body: this.#answer(agent, id, sha256Hex(bytes)) };
      });
      if (outbox.length > 0) await this.#sync(agent, 0, outbox);
    }
  }

  #answer({ host }: Agent, op_id: string, hash: string): unknown {
    const { fleet_id } = this.#fleet.root.payload;
    const op_sha256 = sha256Field.parse(hash);
    return signReturn({ v: 1, fleet_id, host_id: host.hostId, op_id, op_sha256, part: 0, state: "done", at: Date.now() }, host.signingKey);
  }

  /** Milliseconds from the upload to the last answer that verified. */
  async job(token: string, isTrue: (hostId: string, envelope: SignedReturn) => boolean): Promise<number> {
    const { key, root } = this.#fleet;
    const wish = { fleetId: root.payload.fleet_id, kind: "ping", target: { expr: "true" }, params: {}, issuedAt: Date.now(), lifetimeMs: 600_000 };
    const op = valueOf(newOp(wish, benchWorld().crypto));
    const envelope = signEnvelope("op", op.bytes, [key]);
    const startedMs = performance.now();
    await this.#api("/api/v1/ops", token, { envelope });
    const stream = await fetch(`http://127.0.0.1:${this.#port}/api/v1/ops/${op.payload.id}/returns/stream`, { headers: { authorization: `Bearer ${token}` } });
    const verified = new Set<string>();
    let text = "";
    for await (const chunk of stream.body ?? []) {
      text += new TextDecoder().decode(chunk);
      const events = text.split("\n\n");
      text = events.pop() ?? "";
      for (const event of events) {
        if (!event.includes("event: return")) continue;
        const item = JSON.parse(/^data: (.*)$/m.exec(event)?.[1] ?? "{}") as { host_id: string; envelope: SignedReturn };
        if (!isTrue(item.host_id, item.envelope)) throw new Error(`the answer of ${item.host_id} does not verify`);
        verified.add(item.host_id);
      }
      if (verified.size === HOSTS) return performance.now() - startedMs;
    }
    throw new Error(`the stream ended after ${verified.size} of ${HOSTS} answers`);
  }

  async #api(path: string, token: string | undefined, body: unknown): Promise<unknown> {
    const headers = { "content-type": "application/json", ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    const reply = await fetch(`http://127.0.0.1:${this.#port}${path}`, {
      method: "POST",
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
    return reply.json();
  }

  /** Always on the agent's one connection, as a real agent does. */
  async #sync(agent: Agent, waitMs: number, outbox: readonly unknown[]): Promise<SyncReply | undefined> {
    const body = JSON.stringify({ ...(JSON.parse(benchSync(agent, waitMs)) as object), outbox });
    agent.wire ??= new Wire(this.#port);
    const got = await agent.wire.ask(
      `POST /agent/v1/sync HTTP/1.1\r\nhost: 127.0.0.1:${this.#port}\r\nauthorization: Bearer ${agent.credential}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    if (got === undefined || this.isOver) return undefined;
    if (!got.startsWith("HTTP/1.1 200")) throw new Error(`a sync was answered ${got.slice(0, 300)}`);
    return JSON.parse(got.slice(got.indexOf("\r\n\r\n") + 4)) as SyncReply;
  }
}

interface SyncReply {
  readonly ops?: readonly { readonly payload: string }[];
}

/** One connection: a request, then its answer, then the next. */
class Wire {
  readonly #socket;
  #got = "";
  #answered: (text: string | undefined) => void = () => undefined;

  constructor(port: number) {
    this.#socket = connectTcp(port, "127.0.0.1");
    this.#socket.setEncoding("latin1");
    this.#socket.setNoDelay(true);
    this.#socket.on("data", (part) => this.#take(String(part)));
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => this.#answered(undefined));
  }

  ask(request: string): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>();
    this.#answered = resolve;
    this.#socket.write(request);
    return promise;
  }

  #take(part: string): void {
    this.#got += part;
    const end = this.#got.indexOf("\r\n\r\n");
    const length = /\r\ncontent-length: (\d+)/i.exec(this.#got.slice(0, end + 2))?.[1];
    if (end < 0 || length === undefined || this.#got.length < end + 4 + Number(length)) return;
    const text = this.#got.slice(0, end + 4 + Number(length));
    this.#got = this.#got.slice(text.length);
    this.#answered(text);
  }
}

async function gatherings(dir: string): Promise<readonly number[]> {
  const nats = await startNats({ dir, config: ({ port }) => `listen: "127.0.0.1:${port}"\nmax_connections: 4096\n` });
  const open = (): Promise<NatsConnection> => connectNats({ servers: nats.url, reconnect: false });
  const clients: NatsConnection[] = [];
  try {
    for (let from = 0; from < HOSTS; from += AT_ONCE) clients.push(...(await Promise.all(Array.from({ length: AT_ONCE }, open))));
    const asker = await open();
    clients.push(asker);
    for (const client of clients.slice(0, HOSTS)) client.subscribe("all", { callback: (_error, message) => void message.respond("pong") });
    await Promise.all(clients.map((client) => client.flush()));
    const times: number[] = [];
    for (let round = 0; round <= ROUNDS; round += 1) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let count = 0;
      const inbox = `_INBOX.gather.${round}`;
      asker.subscribe(inbox, {
        callback: () => {
          count += 1;
          if (count === HOSTS) resolve();
        },
      });
      await asker.flush();
      const startedMs = performance.now();
      asker.publish("all", "ping", { reply: inbox });
      await promise;
      if (round > 0) times.push(performance.now() - startedMs);
    }
    return times;
  } finally {
    await Promise.all(clients.map((client) => client.close()));
    await nats.stop();
  }
}
