/** A fleet of real processes with a real nats-server beside it, for benches and for the pages about NATS. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { natsServer, type RealNats, startNats } from "../../shared/sim/real-nats.ts";
import { type Box, freePort, RealFleet } from "../fleet/real-fleet.ts";

export interface NatsFleet {
  readonly fleet: RealFleet;
  readonly nats: RealNats;
  /** Enrolled, its spec names NATS, and it is attached. */
  addBox(name: string): Promise<Box>;
  stop(): Promise<void>;
}

export const hasNats = natsServer !== null;

export async function natsFleet(): Promise<NatsFleet> {
  const port = await freePort();
  const fleet = new RealFleet({ hubFlags: ["--nats-urls", `nats://127.0.0.1:${port}`] });
  await fleet.start();
  const dir = join(fleet.dir, "nats");
  mkdirSync(dir);
  const nats = await startNats({
    dir,
    port,
    prepare: async ({ storeDir }) => {
      const out = join(dir, "made.conf");
      fleet.operator([
        ...["hub", "nats-config", "--data-dir", fleet.hubDir, "--plain", "--listen", `127.0.0.1:${port}`],
        ...["--store-dir", storeDir, "--disk-gib", "1", "--out", out],
      ]);
      return readFileSync(out, "utf8");
    },
  });
  return {
    fleet,
    nats,
    addBox: async (name) => {
      const box = await fleet.addBox(name);
      fleet.operator(["host", "spec", name, "--nats", "--yes"]);
      await fleet.until(`${name} is attached to NATS`, () => Promise.resolve(isAttached(fleet, box)));
      return box;
    },
    stop: async () => {
      await nats.kill();
      await fleet.stop();
    },
  };
}

export function isAttached(fleet: RealFleet, box: Box): boolean {
  const status = fleet.boxStatus(box);
  return (status?.["nats"] as { readonly state: string } | null | undefined)?.state === "attached";
}
