import { readDetail, type Collector } from "./collector.ts";

/** `arch` is the machine's (uname -m spelling), from the ELF header of what runs now: no process is needed to know it. */
export const kernel: Collector = {
  name: "kernel",
  collect(world) {
    return {
      name: readDetail(world, "/proc/sys/kernel/ostype"),
      release: readDetail(world, "/proc/sys/kernel/osrelease"),
      version: readDetail(world, "/proc/sys/kernel/version"),
      arch: readDetail(world, "/proc/sys/kernel/arch"),
    };
  },
};
