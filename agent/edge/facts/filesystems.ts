import { parseMounts } from "../../core/facts/mounts.ts";
import { readText, type Collector } from "./collector.ts";

export const filesystems: Collector = {
  name: "filesystems",
  collect(world) {
    return parseMounts(readText(world, "/proc/self/mounts") ?? "").map(({ device, mount, type, readOnly }) => ({ device, mount, type, read_only: readOnly }));
  },
};
