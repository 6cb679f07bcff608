import { isFault } from "../../../shared/core/fault.ts";
import { readDetail, type Collector } from "./collector.ts";

/** The IANA name: from /etc/localtime's link where it is one, else Debian's /etc/timezone, else UTC (which is what no setting means). */
export const timezone: Collector = {
  name: "timezone",
  collect(world) {
    try {
      const zone = /zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(world.files.readLink("facts.localtime", "/etc/localtime"))?.[1];
      if (zone !== undefined) return zone;
    } catch (error) {
      if (!isFault(error, "file_missing") && !isFault(error, "file_not_regular")) throw error;
    }
    return readDetail(world, "/etc/timezone") || "UTC";
  },
};
