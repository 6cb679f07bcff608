/**
 * One signed `ping` to 1 000 hosts, from the upload to the last answer that the operator has verified: the real hub in a process of its own
 * with all its durable writes, 1 000 light agents and the operator in this one. Each agent holds a sync on a socket of its own, signs its
 * answer, and holds again once it is acknowledged, when the hub says so; the hub verifies each answer before it stores it; they come back over the
 * operator's event stream, and the operator verifies each again. What the agents leave out is what no other host waits for: their
 * disks, their own check of what they sign, and the operator's signature on the op, which each box looks at on a machine of its own.
 *
 * The same with agents attached over NATS, with the credentials and the server configuration that a hub makes, is in the note: the op
 * is broadcast, each agent acknowledges it and puts its answer into the stream, from which the hub takes it.
 *
 * Floor: 1 000 NATS clients, each on a connection of its own to a real nats-server, answer one message of a client that gathers the
 * replies: no signature, no disk. Its rounds alternate with the others, so that a drifting machine hits both alike.
 */
import { natsServer } from "../../shared/sim/real-nats.ts";
import { type Bench, median } from "./bench.ts";
import { natsFan } from "./fan-nats.ts";
import { rawGathering } from "./fan-raw.ts";
import { syncFan } from "./fan-sync.ts";
import { withDir } from "./hub-server.ts";

const HOSTS = 1_000;
const ROUNDS = 15;
/** For the compiler of the hub, which runs for months, and of everybody else alike: after these it has nothing left to do. */
const WARM_UP = 12;
/** So that one round's last writes are not in the next. */
const SETTLE_MS = 700;

/** Something that is done once a round. */
export interface Fan {
  /** Milliseconds. */
  round(): Promise<number>;
  end(): Promise<void>;
}

export async function jobFanout1000(): Promise<Bench[]> {
  if (natsServer === null) return [];
  return withDir(async (dir) => {
    const raw = await rawGathering(`${dir}/raw`, HOSTS);
    try {
      const sync = await against(raw, await syncFan(`${dir}/sync`, HOSTS));
      const nats = await against(raw, await natsFan(`${dir}/nats`, HOSTS));
      return [
        {
          bench: "job.fanout_1000",
          value: sync.ms,
          unit: "ms",
          floor: sync.rawMs,
          floorName: "1 000 raw NATS replies",
          ratio: sync.ratio,
          mustReach: { at: "most", ratio: 5 },
          note: `agents attached over NATS instead: ${nats.ms.toFixed(0)} ms, ratio ${nats.ratio.toFixed(2)}`,
        },
      ];
    } finally {
      await raw.end();
    }
  });
}

/** Rounds of both in turns; then `fan` has ended. */
async function against(raw: Fan, fan: Fan): Promise<{ readonly ms: number; readonly rawMs: number; readonly ratio: number }> {
  const times: { readonly ms: number; readonly rawMs: number }[] = [];
  try {
    for (let round = -WARM_UP; round < ROUNDS; round += 1) {
      const pair = { rawMs: await settled(raw), ms: await settled(fan) };
      if (round >= 0) times.push(pair);
    }
  } finally {
    await fan.end();
  }
  return {
    ms: median(times.map(({ ms }) => ms)),
    rawMs: median(times.map(({ rawMs }) => rawMs)),
    // Round by round: both of a pair were disturbed alike.
    ratio: median(times.map(({ ms, rawMs }) => ms / rawMs)),
  };
}

async function settled(fan: Fan): Promise<number> {
  await Bun.sleep(SETTLE_MS);
  return fan.round();
}
