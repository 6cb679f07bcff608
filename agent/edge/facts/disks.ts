import { listNames, readDetail, type Collector } from "./collector.ts";

const SECTOR_BYTES = 512;
const DISKS_MAX = 128;
/** Not disks a person would count: ram disks, loop files, optical and floppy drives, device-mapper targets. */
const NOT_A_DISK = /^(?:loop|ram|zram|sr|fd|dm-|nbd)/;

export const disks: Collector = {
  name: "disks",
  collect(world) {
    return listNames(world, "/sys/block")
      .filter((name) => !NOT_A_DISK.test(name))
      .slice(0, DISKS_MAX)
      .map((name) => {
        const detail = (path: string): string => readDetail(world, `/sys/block/${name}/${path}`);
        return {
          name,
          size_mb: Math.floor((Number(detail("size")) * SECTOR_BYTES) / 1_048_576),
          model: detail("device/model"),
          serial: detail("device/serial"),
          rotational: detail("queue/rotational") === "1",
          removable: detail("removable") === "1",
        };
      })
      .filter((disk) => disk.size_mb > 0);
  },
};
