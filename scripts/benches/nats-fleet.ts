/** A fleet of real processes with a real nats-server beside it, for benches and for the pages about NATS. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { natsServer, type RealNats, startNats } from "../../shared/sim/real-nats.ts";
import { type Box, type FleetOptions, RealFleet } from "../fleet/real-fleet.ts";
import { freePort } from "../../shared/sim/free-port.ts";

export interface NatsFleet {
  readonly fleet: RealFleet;
  /** `start` starts fleet and server both. */
  readonly nats: { readonly start: () => Promise<void>; readonly stop: () => Promise<void> };
  /** Its spec names NATS, and it is attached. */
  readonly attach: (box: Box) => Promise<void>;
}

export const hasNats = natsServer !== null;

export function natsBeside(options: FleetOptions = {}): NatsFleet {
  const hubFlags: string[] = [...(options.hubFlags ?? [])];
  const fleet = new RealFleet({ ...options, hubFlags });
  const running: { nats?: RealNats } = {};
  return {
    fleet,
    nats: {
      start: async () => {
        const port = await freePort();
        hubFlags.push("--nats-urls", `nats://127.0.0.1:${port}`);
        await fleet.start();
        running.nats = await serverOf(fleet, port);
        // Before that a box that attaches finds nobody who keeps its answers, and sends them by sync for a while.
        await fleet.until("the hub has made its stream", () => Promise.resolve(readFileSync(join(fleet.dir, "hub.log"), "utf8").includes('"nats.up"')));
      },
      stop: async () => running.nats?.kill(),
    },
    attach: async (box) => {
      fleet.operator(["host", "spec", box.name, "--nats", "--yes"]);
      await fleet.untilBoxes("attached to NATS", [box], ({ nats }) => nats?.is === "attached");
    },
  };
}

/** The server of this hub, with the configuration that the hub's own command writes. */
export function serverOf(fleet: RealFleet, port: number): Promise<RealNats> {
  const dir = join(fleet.dir, "nats");
  mkdirSync(dir);
  return startNats({
    dir,
    port,
    prepare: async ({ storeDir }) => {
      const out = join(dir, "made.conf");
      const where = ["--data-dir", fleet.hubDir, "--store-dir", storeDir, "--out", out];
      fleet.operator(["hub", "nats-config", "--plain", "--listen", `127.0.0.1:${port}`, "--disk-gib", "1", ...where]);
      return readFileSync(out, "utf8");
    },
  });
}
