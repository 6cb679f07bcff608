import { parseCpuInfo } from "../../core/facts/cpu-info.ts";
import { readText, type Collector } from "./collector.ts";

export const cpu: Collector = {
  name: "cpu",
  collect(world) {
    const { count, sockets, model, vendor } = parseCpuInfo(readText(world, "/proc/cpuinfo") ?? "");
    return { count, sockets, model, vendor };
  },
};
