import { isThere, type Collector } from "./collector.ts";

const DAEMONS: readonly (readonly [string, string])[] = [
  ["/run/chrony", "chrony"],
  ["/run/systemd/timesync", "systemd-timesyncd"],
  ["/run/ntpd.pid", "ntp"],
  ["/run/ntpsec", "ntpsec"],
  ["/run/openntpd.sock", "openntpd"],
];

/** `synchronised` is null where the daemon tells nobody without being asked over its socket: unknown is not "no". */
export const timeSync: Collector = {
  name: "time_sync",
  collect(world) {
    const daemon = DAEMONS.find(([path]) => isThere(world, path))?.[1] ?? "none";
    const synchronised = daemon === "systemd-timesyncd" ? isThere(world, "/run/systemd/timesync/synchronized") : daemon === "none" ? false : null;
    return { daemon, synchronised };
  },
};
