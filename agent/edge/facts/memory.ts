import { parseMemInfo } from "../../core/facts/mem-info.ts";
import { readText, type Collector } from "./collector.ts";

/** Sizes only: what is free is a metric. Whole MiB, because firmware reserves a little differently from boot to boot. */
export const memory: Collector = {
  name: "memory",
  collect(world) {
    const info = parseMemInfo(readText(world, "/proc/meminfo") ?? "");
    const total = info.get("MemTotal");
    if (total === undefined) throw new Error("/proc/meminfo names no MemTotal");
    return { total_mb: Math.floor(total / 1_048_576), swap_mb: Math.floor((info.get("SwapTotal") ?? 0) / 1_048_576) };
  },
};
