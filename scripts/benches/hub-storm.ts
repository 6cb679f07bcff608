import { connect } from "node:net";
import { LINK_BACKOFF, backoffMs } from "../../shared/core/backoff.ts";
import { seededRng } from "../../shared/edge/rng.ts";
import type { Rng } from "../../shared/ports/rng.ts";
import type { Bench } from "./bench.ts";
import { type BenchHost, benchSync, makeHubFixture } from "./hub-fixture.ts";
import { startBenchServer, withDir } from "./hub-server.ts";

/**
 * 10 000 agents hold a sync each; the hub is killed with -9, is away for five seconds and comes back. Each agent retries by the link's
 * own back-off, a connection per attempt. Value: seconds from the hub's return until the last one has an answer. Floor: until
 * the last one makes its first attempt after the return, which is the ramp that back-off alone would make of any hub.
 */
const AGENTS = 10_000;
const AWAY_MS = 5_000;
const GIVE_UP_MS = 120_000;
const AT_ONCE = 200;

interface Agent {
  readonly host: BenchHost;
  readonly rng: Rng;
  failures: number;
  /** Starts of its attempts since the hub was killed, on this process's clock. */
  readonly tries: number[];
  answeredAtMs: number | undefined;
}

export async function hubStorm10000(): Promise<Bench[]> {
  return withDir(async (dir) => {
    const hosts = await makeHubFixture(dir, AGENTS);
    const rng = seededRng("storm");
    const agents = hosts.map((host, at): Agent => ({ host, rng: rng.fork(String(at)), failures: 0, tries: [], answeredAtMs: undefined }));
    const first = await startBenchServer("unpaced", dir, "0");
    const { port } = first;
    const storm = new Storm(port);
    for (let from = 0; from < AGENTS; from += AT_ONCE) await Promise.all(agents.slice(from, from + AT_ONCE).map((agent) => storm.enter(agent)));
    storm.isOn = true;
    process.kill(first.pid, "SIGKILL");
    await Bun.sleep(AWAY_MS);
    const back = await startBenchServer("unpaced", dir, String(port));
    const backMs = performance.now();
    try {
      while (agents.some(({ answeredAtMs }) => answeredAtMs === undefined) && performance.now() - backMs < GIVE_UP_MS) await Bun.sleep(50);
      const starved = agents.filter(({ answeredAtMs }) => answeredAtMs === undefined).length;
      if (starved > 0) throw new Error(`${starved} of ${AGENTS} agents had no answer within ${GIVE_UP_MS / 1_000} s`);
      const answered = agents.map(({ answeredAtMs = 0 }) => answeredAtMs - backMs);
      const tried = agents.map(({ tries }) => Math.max(0, (tries.find((startMs) => startMs >= backMs) ?? tries.at(-1) ?? 0) - backMs));
      const [value, floor] = [Math.max(...answered) / 1_000, Math.max(...tried) / 1_000];
      const slowest = Math.max(...answered.map((ms, at) => ms - (tried[at] ?? 0)));
      const note = `longest from first try to answer ${Math.round(slowest)} ms, ${storm.refusals} refusals`;
      return [
        {
          bench: "hub.storm_10000",
          value,
          unit: "s",
          floor,
          floorName: "back-off's own ramp",
          ratio: value / floor,
          mustReach: { at: "most", ratio: 1.3 },
          note,
        },
      ];
    } finally {
      storm.isOver = true;
      await back.stop();
    }
  });
}

class Storm {
  readonly #port: number;
  /** The hub was killed: from here on attempts count. */
  isOn = false;
  isOver = false;
  refusals = 0;

  constructor(port: number) {
    this.#port = port;
  }

  /** Syncs once and is answered, then holds; resolves when it holds. What follows is the agent's own business. */
  async enter(agent: Agent): Promise<void> {
    await this.#sync(agent, 0);
    void this.#hold(agent);
  }

  async #hold(agent: Agent): Promise<void> {
    while (!this.isOver) {
      if (this.isOn) agent.tries.push(performance.now());
      const status = await this.#sync(agent, 55_000);
      if (status === 200 && this.isOn) {
        agent.answeredAtMs = performance.now();
        return;
      }
      if (status !== undefined && status !== 200) this.refusals += 1;
      await Bun.sleep(backoffMs(LINK_BACKOFF, agent.failures, agent.rng));
      agent.failures += 1;
    }
  }

  /** The status, or undefined when the connection failed or was cut. */
  #sync({ host }: Agent, waitMs: number): Promise<number | undefined> {
    const body = benchSync(host, waitMs);
    return new Promise((resolve) => {
      let got = "";
      const socket = connect(this.#port, "127.0.0.1", () => {
        socket.write(
          `POST /agent/v1/sync HTTP/1.1\r\nhost: 127.0.0.1:${this.#port}\r\nconnection: close\r\nauthorization: Bearer ${host.credential}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        );
      });
      socket.on("data", (part) => {
        got += String(part);
        if (got.includes("\r\n\r\n")) socket.destroy();
      });
      socket.on("error", () => {});
      socket.on("close", () => {
        const status = /^HTTP\/1\.1 (\d+)/.exec(got)?.[1];
        resolve(status === undefined ? undefined : Number(status));
      });
    });
  }
}
