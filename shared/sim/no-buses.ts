import { Fault } from "../core/fault.ts";
import type { Buses } from "../ports/bus.ts";

/** A machine from which no bus can be reached. */
export const noBuses: Buses = {
  connect: (_op, { url }) => Promise.reject(new Fault("net_unreachable", `Cannot connect to ${url}: there is no bus here`)),
};
