import { isFault } from "../../../shared/core/fault.ts";
import { fromUtf8 } from "../../../shared/core/bytes.ts";
import { NAME } from "../../../shared/core/ids.ts";
import type { World } from "../../../shared/ports/world.ts";
import { kernel } from "../facts/kernel.ts";
import { memory } from "../facts/memory.ts";
import { os } from "../facts/os.ts";
import { virtualisation } from "../facts/virtualisation.ts";

/** The few claims that help an operator recognise the box that asks. They are claims: nothing is decided by them. */
export async function bootFacts(world: World): Promise<Readonly<Record<string, string>>> {
  const claims: Record<string, string> = {};
  const wanted = [
    [os, ["name", "version"]],
    [kernel, ["arch", "release"]],
    [memory, ["total_mb"]],
    [virtualisation, ["kind"]],
  ] as const;
  for (const [collector, names] of wanted) {
    const section = await collected(world, collector);
    for (const name of names) {
      const value = section[name];
      if (typeof value === "string" || typeof value === "number")
        claims[`${collector.name}.${name}`.toLowerCase().slice(0, 63)] = String(value).slice(0, 256).toWellFormed();
    }
  }
  return claims;
}

/** The kernel's name for this machine in the alphabet of host names; `box` when nothing of it is left. */
export function hostname(world: World): string {
  try {
    const raw = fromUtf8(world.files.read("hostname.read", "/proc/sys/kernel/hostname", { bytesMax: 256 }))
      .trim()
      .toLowerCase();
    const name = raw
      .replace(/[^a-z0-9._-]/g, "-")
      .slice(0, 63)
      .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "");
    return NAME.test(name) ? name : "box";
  } catch (error) {
    if (isFault(error) || error instanceof TypeError) return "box";
    throw error;
  }
}

async function collected(world: World, collector: { readonly collect: (world: World) => unknown }): Promise<Readonly<Record<string, unknown>>> {
  try {
    const section = await collector.collect(world);
    return typeof section === "object" && section !== null ? { ...section } : {};
  } catch {
    // A collector that fails costs a claim, never the enrollment.
    return {};
  }
}
