import type { AgentStatus } from "../../agent/core/status/agent-status.ts";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Box, RealFleet } from "../fleet/real-fleet.ts";
import { type Bench, median, residentBytes } from "./bench.ts";
import { hasNats, natsBeside } from "./nats-fleet.ts";

/** Resident memory of an enrolled, synced agent with 1 000 resources in force, between two runs, against a bare Bun process. */
const RESOURCES = 1_000;
const SAMPLES = 10;

export async function agentIdleRss(): Promise<Bench[]> {
  const alone = await measured(new RealFleet({ tls: "none" }), (fleet) => fleet.start());
  const bench: Bench = { bench: "agent.idle_rss", ...alone, mustReach: { at: "most", ratio: 1.8 } };
  if (!hasNats) return [bench];
  const { fleet, nats, attach } = natsBeside({ tls: "none" });
  try {
    const attached = await measured(fleet, nats.start, attach);
    return [bench, { bench: "agent.idle_rss_nats", ...attached, mustReach: { at: "most", ratio: 2.2 }, note: "attached to NATS" }];
  } finally {
    await nats.stop();
  }
}

/** The agent of one box between two runs, `prepare` having been done to it. */
async function measured(fleet: RealFleet, start: (fleet: RealFleet) => Promise<void>, prepare?: (box: Box) => Promise<void>): Promise<Omit<Bench, "bench">> {
  const bare = Bun.spawn([process.execPath, "-e", "setInterval(() => {}, 1e9)"], { stdout: "ignore", stderr: "ignore" });
  try {
    await start(fleet);
    const box = await fleet.addBox("bench-1");
    fleet.publish(writeFleet(join(fleet.dir, "fleet"), join(fleet.dir, "target")));
    await fleet.until("1 000 resources are in force", async () => inForce(await fleet.boxStatus(box)) === RESOURCES + 1);
    await prepare?.(box);
    await Bun.sleep(10_000);
    const agents: number[] = [];
    const floors: number[] = [];
    for (let at = 0; at < SAMPLES; at++) {
      agents.push(await residentBytes(fleet.pid(`agent-${box.name}`)));
      floors.push(await residentBytes(bare.pid));
      await Bun.sleep(500);
    }
    const [value, floor] = [median(agents), median(floors)];
    return { value, unit: "B", floor, floorName: "a bare Bun process", ratio: value / floor };
  } finally {
    bare.kill();
    await fleet.stop();
  }
}

function inForce(status: AgentStatus | undefined): number {
  const counts = status?.converge.last?.counts;
  return (counts?.unchanged ?? 0) + (counts?.changed ?? 0);
}

function writeFleet(fleet: string, target: string): string {
  mkdirSync(join(fleet, "states"), { recursive: true });
  writeFileSync(join(fleet, "fleet.yaml"), "name: sample\n");
  writeFileSync(join(fleet, "targets.yaml"), '- match: "true"\n  states: [files]\n');
  const resources = Array.from(
    { length: RESOURCES },
    (_, at) => `file-${at}:\n  file:\n    path: ${target}/f${at}\n    content: "managed file ${at}\\n"\n    mode: "0644"\n`,
  );
  writeFileSync(join(fleet, "states", "files.yaml"), `target:\n  directory:\n    path: ${target}\n    mode: "0755"\n${resources.join("")}`);
  return fleet;
}
