import { PROTOCOL } from "../../../shared/protocol/version.ts";
import type { Collector } from "./collector.ts";

export const agent: Collector = { name: "agent", collect: (world) => ({ version: world.self.version, protocol: PROTOCOL }) };
