import { osFacts, parseAssignments } from "../../core/facts/os-release.ts";
import { readText, type Collector } from "./collector.ts";

export const os: Collector = {
  name: "os",
  collect(world) {
    const text = readText(world, "/etc/os-release") ?? readText(world, "/usr/lib/os-release");
    if (text === undefined) return { id: "unknown", family: "unknown", name: "unknown", version: "", major: 0, codename: "" };
    return { ...osFacts(parseAssignments(text)) };
  },
};
