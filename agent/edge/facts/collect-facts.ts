import { flatten } from "../../../shared/core/fault.ts";
import type { FactValue } from "../../../shared/protocol/report.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Facts } from "../../core/facts/facts.ts";
import { agent } from "./agent.ts";
import type { Collector } from "./collector.ts";
import { cpu } from "./cpu.ts";
import { CUSTOM_FACTS_DIR, collectCustom } from "./custom.ts";
import { disks } from "./disks.ts";
import { filesystems } from "./filesystems.ts";
import { guests } from "./guests.ts";
import { kernel } from "./kernel.ts";
import { memory } from "./memory.ts";
import { network } from "./network.ts";
import { os } from "./os.ts";
import { packageManager } from "./package-manager.ts";
import { serviceManager } from "./service-manager.ts";
import { timeSync } from "./time-sync.ts";
import { timezone } from "./timezone.ts";
import { virtualisation } from "./virtualisation.ts";

export const COLLECTORS: readonly Collector[] = [
  os,
  kernel,
  cpu,
  memory,
  disks,
  filesystems,
  network,
  virtualisation,
  timeSync,
  packageManager,
  serviceManager,
  timezone,
  agent,
  guests,
];

/**
 * Identity facts: what changes rarely and is worth a revision. Each collector stands alone: one that fails leaves
 * `{ error }` where its section would be and a line in `errors`, and the rest are as they are.
 */
export async function collectFacts(
  world: World,
  options: { readonly factsDirs?: readonly string[]; readonly collectors?: readonly Collector[] } = {},
): Promise<Facts> {
  const custom: Collector = { name: "custom", collect: (given) => collectCustom(given, options.factsDirs ?? [CUSTOM_FACTS_DIR]) };
  const facts: Record<string, FactValue> = {};
  const errors: Record<string, FactValue> = {};
  const all = [...(options.collectors ?? COLLECTORS), custom];
  const sections = await Promise.all(all.map((collector) => attempt(world, collector)));
  for (const [at, section] of sections.entries()) {
    const name = all[at]?.name ?? "";
    facts[name] = section.value;
    if (section.error !== undefined) errors[name] = section.error;
  }
  const broken = facts["custom"];
  if (typeof broken === "object" && broken !== null && "errors" in broken) errors["custom"] = "see custom.errors";
  return { ...facts, errors };
}

async function attempt(world: World, collector: Collector): Promise<{ value: FactValue; error?: string }> {
  try {
    return { value: await collector.collect(world) };
  } catch (error) {
    const text = flatten(error);
    world.log.event("warn", "facts.failed", { collector: collector.name }, error);
    return { value: { error: text }, error: text };
  }
}
