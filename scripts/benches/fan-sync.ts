/** `job.fanout_1000` over held syncs: light agents, each with one request on a connection of its own, as a box without NATS has it. */
import { DRAIN_MS } from "../../agent/core/sync/link.ts";
import { answerTo, AT_ONCE, type FanFleet, fanFleet, type FanHost, FanOperator, Opened } from "./fan-operator.ts";
import { benchSync } from "./hub-fixture.ts";
import { startFreeServer } from "./hub-server.ts";
import type { Fan } from "./job-fanout.ts";

const HOLD_MS = 55_000;

export function syncFan(dir: string, count: number): Promise<Fan> {
  const opened = new Opened();
  return opened.orEnd(holding(dir, count, opened));
}

async function holding(dir: string, count: number, opened: Opened): Promise<Fan> {
  const fan = await fanFleet(dir, count);
  const hub = await opened.add(startFreeServer("hub", dir, "0"), (server) => server.stop());
  const operator = new FanOperator(hub.port, fan);
  await operator.logIn();
  const agents: LightAgent[] = [];
  for (let from = 0; from < count; from += AT_ONCE)
    agents.push(...(await Promise.all(fan.hosts.slice(from, from + AT_ONCE).map((host) => LightAgent.enter(hub.port, fan, host)))));
  return {
    round: () => operator.job(),
    end: () => {
      for (const agent of agents) agent.leave();
      return opened.end();
    },
  };
}

interface SyncReply {
  readonly next_ms: number;
  readonly ops?: readonly { readonly payload: string }[];
}

class LightAgent {
  readonly #fan: FanFleet;
  readonly #host: FanHost;
  readonly #head: string;
  readonly #holding: string;
  #socket: Bun.Socket | undefined;
  #seq = 0;
  #got = "";
  #answered: (reply: SyncReply) => void = () => undefined;

  constructor(port: number, fan: FanFleet, host: FanHost) {
    this.#fan = fan;
    this.#host = host;
    this.#head = `POST /agent/v1/sync HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${host.credential}\r\ncontent-type: application/json\r\ncontent-length: `;
    this.#holding = benchSync(host, HOLD_MS);
  }

  /** Answered once, then it holds, and answers every op that it is given. */
  static async enter(port: number, fan: FanFleet, host: FanHost): Promise<LightAgent> {
    const agent = new LightAgent(port, fan, host);
    const data = (_socket: Bun.Socket, part: Buffer): void => agent.#take(part.toString("latin1"));
    agent.#socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data } });
    await agent.#ask(benchSync(host, 0));
    void agent.#hold();
    return agent;
  }

  leave(): void {
    this.#socket?.end();
  }

  async #hold(): Promise<never> {
    for (;;) {
      const { ops = [] } = await this.#ask(this.#holding);
      if (ops.length === 0) continue;
      const outbox = ops.map((op) => {
        this.#seq += 1;
        return { seq: this.#seq, kind: "return", body: answerTo(op, this.#fan, this.#host).answer };
      });
      // The same message as at rest, but for what it brings.
      const { next_ms } = await this.#ask(this.#holding.replace('"outbox":[]', `"outbox":${JSON.stringify(outbox)}`));
      if (next_ms > 0) await Bun.sleep(Math.max(DRAIN_MS, next_ms));
    }
  }

  /** Always on the agent's one connection, as a real agent does. */
  #ask(body: string): Promise<SyncReply> {
    const { promise, resolve } = Promise.withResolvers<SyncReply>();
    this.#answered = resolve;
    this.#socket?.write(`${this.#head}${body.length}\r\n\r\n${body}`);
    return promise;
  }

  #take(part: string): void {
    this.#got += part;
    const end = this.#got.indexOf("\r\n\r\n");
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#got.slice(0, end + 2))?.[1]);
    if (this.#got.length < end + 4 + length) return;
    const text = this.#got.slice(0, end + 4 + length);
    this.#got = this.#got.slice(text.length);
    if (!text.startsWith("HTTP/1.1 200")) throw new Error(`a sync was answered ${text.slice(0, 300)}`);
    this.#answered(JSON.parse(text.slice(end + 4)));
  }
}
