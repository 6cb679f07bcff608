import type { Collector } from "./collector.ts";

/** No guest driver is part of this version; the empty list says so, so that nobody reads it as "this host runs none". */
export const guests: Collector = { name: "guests", collect: () => ({ list: [], because: "this version has no guest driver" }) };
