import type { World } from "../../../shared/ports/world.ts";
import { parseMemInfo } from "../../core/facts/mem-info.ts";
import { parseMounts } from "../../core/facts/mounts.ts";
import { listNames, readDetail, readText } from "./collector.ts";

const SENSORS_MAX = 64;

/**
 * What changes all the time: free space, load, memory, temperatures. Never part of the facts, sent rarely, and lost without
 * harm. A reading that fails is left out.
 */
export function collectMetrics(world: World): Readonly<Record<string, number>> {
  const metrics: Record<string, number> = {};
  const [one, five, fifteen] = readDetail(world, "/proc/loadavg").split(" ").map(Number);
  put(metrics, "load1", one);
  put(metrics, "load5", five);
  put(metrics, "load15", fifteen);
  put(metrics, "uptime_seconds", Number(readDetail(world, "/proc/uptime").split(" ")[0]));
  const memory = parseMemInfo(readDetail(world, "/proc/meminfo"));
  put(metrics, "memory_available_bytes", memory.get("MemAvailable"));
  put(metrics, "swap_free_bytes", memory.get("SwapFree"));
  for (const { mount } of parseMounts(readText(world, "/proc/self/mounts") ?? "")) {
    try {
      put(metrics, `free_bytes.${mount}`, world.files.freeBytes("facts.free", mount));
    } catch {
      // A dead network mount answers with an error: the reading is missing, which is what it means.
    }
  }
  for (const zone of listNames(world, "/sys/class/thermal")
    .filter((name) => name.startsWith("thermal_zone"))
    .slice(0, SENSORS_MAX)) {
    const milli = readDetail(world, `/sys/class/thermal/${zone}/temp`);
    if (milli !== "") put(metrics, `temperature_celsius.${zone}`, Number(milli) / 1_000);
  }
  return metrics;
}

function put(metrics: Record<string, number>, name: string, value: number | undefined): void {
  if (value !== undefined && Number.isFinite(value)) metrics[name.slice(0, 128)] = value;
}
