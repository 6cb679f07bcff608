/** `job.fanout_1000` over NATS: light agents with the hub's own credentials on a nats-server with the hub's own configuration. */
import { mkdirSync } from "node:fs";
import { connectWith } from "../../hub/edge/nats/connect-hub.ts";
import { issueForHost } from "../../hub/edge/nats/credentials.ts";
import { natsKeys } from "../../hub/edge/nats/keys.ts";
import { natsServerConfig } from "../../hub/edge/nats/server-config.ts";
import { fromUtf8 } from "../../shared/core/bytes.ts";
import { connectNats } from "../../shared/edge/nats-bus.ts";
import type { Bus, BusMessage } from "../../shared/ports/bus.ts";
import { decodeNatsOp, encodeNatsAck, encodeNatsAlive, encodeNatsReturn } from "../../shared/protocol/nats-messages.ts";
import { natsSubjects, returnsStream } from "../../shared/protocol/nats-subjects.ts";
import { startNats } from "../../shared/sim/real-nats.ts";
import { type Envelope, encodeEnvelope } from "../../shared/trust/envelope.ts";
import { answerTo, type FanFleet, fanFleet, type FanHost, FanOperator, Opened } from "./fan-operator.ts";
import { benchWorld } from "./hub-fixture.ts";
import { startFreeServer } from "./hub-server.ts";
import type { Fan } from "./job-fanout.ts";

const TIMEOUT_MS = 10_000;
const PING_MS = 20_000;
const DISK_BYTES = 1024 ** 3;
const LOOK_MS = 50;
/** Each proves its key in JavaScript, and the server waits two seconds for that. */
const AT_ONCE = 20;

export function natsFan(dir: string, count: number): Promise<Fan> {
  const opened = new Opened();
  return opened.orEnd(attached(dir, count, opened));
}

async function attached(dir: string, count: number, opened: Opened): Promise<Fan> {
  const [hubDir, natsDir] = [`${dir}/hub`, `${dir}/nats`];
  const fan = await fanFleet(hubDir, count);
  mkdirSync(natsDir);
  const config = ({ port, storeDir }: { readonly port: number; readonly storeDir: string }): string =>
    natsServerConfig(benchWorld(), hubDir, { serverName: "bench", address: "127.0.0.1", port, storeDir, diskBytes: DISK_BYTES });
  const nats = await opened.add(startNats({ dir: natsDir, config }), (server) => server.stop());
  const hub = await opened.add(startFreeServer("hub", hubDir, "0", nats.url), (server) => server.stop());
  const operator = new FanOperator(hub.port, fan);
  await operator.logIn();
  await untilHubIsAttached(hubDir, fan, nats.url);
  const agents: LightAgent[] = [];
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = fan.hosts.slice(from, from + AT_ONCE).map((host) => opened.add(LightAgent.attach(nats.url, hubDir, fan, host), (agent) => agent.leave()));
    agents.push(...(await Promise.all(some)));
  }
  return {
    round: async () => {
      const ms = await operator.job();
      await Promise.all(agents.map((agent) => agent.kept));
      return ms;
    },
    end: () => opened.end(),
  };
}

/** Before that nobody keeps an answer. */
async function untilHubIsAttached(dataDir: string, { fleet }: FanFleet, url: string): Promise<void> {
  const { fleet_id: fleetId } = fleet.root.payload;
  const bus = await connectWith(benchWorld(), { dataDir, caPath: "", fleetId, url });
  const streams = await bus.streams();
  while (((await streams.status(returnsStream(fleetId)))?.consumers.length ?? 0) === 0) await Bun.sleep(LOOK_MS);
  await bus.close();
}

class LightAgent {
  readonly #bus: Bus;
  readonly #fan: FanFleet;
  readonly #host: FanHost;
  readonly #own: ReturnType<ReturnType<typeof natsSubjects>["ofHost"]>;
  /** Its last answer is in the stream. */
  kept: Promise<unknown> = Promise.resolve();

  constructor(bus: Bus, fan: FanFleet, host: FanHost) {
    this.#bus = bus;
    this.#fan = fan;
    this.#host = host;
    this.#own = natsSubjects(fan.fleet.root.payload.fleet_id).ofHost(host.hostId);
  }

  static async attach(url: string, hubDir: string, fan: FanFleet, host: FanHost): Promise<LightAgent> {
    const { fleet_id: fleetId } = fan.fleet.root.payload;
    const world = benchWorld();
    const credentials = issueForHost(world, natsKeys(world, hubDir), { fleetId, hostId: host.hostId });
    const bus = await connectNats("bench", { url, name: host.hostId, credentials, inbox: credentials.inbox, timeoutMs: TIMEOUT_MS, pingMs: PING_MS });
    const agent = new LightAgent(bus, fan, host);
    await bus.subscribe(natsSubjects(fleetId).broadcast, (message) => agent.#hear(message));
    await bus.subscribe(agent.#own.op, (message) => agent.#hear(message));
    bus.publish(agent.#own.alive, encodeNatsAlive({ leaving: false }));
    await bus.flush(TIMEOUT_MS);
    return agent;
  }

  leave(): Promise<void> {
    return this.#bus.close();
  }

  #hear({ body }: BusMessage): void {
    const envelope = decodeNatsOp(body)?.envelope;
    if (envelope === undefined) return;
    const op: Envelope = JSON.parse(fromUtf8(envelope));
    const { opId, answer } = answerTo(op, this.#fan, this.#host);
    this.#bus.publish(this.#own.ack, encodeNatsAck({ opId }));
    this.kept = this.#bus.publishDurable(this.#own.return, encodeNatsReturn({ envelope: encodeEnvelope(answer) }), TIMEOUT_MS);
  }
}
