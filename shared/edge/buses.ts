import type { Buses } from "../ports/bus.ts";

/** NATS, when somebody asks for it: the client costs memory that a process without NATS does not pay. */
export const realBuses: Buses = {
  connect: async (op, options) => {
    const { connectNats } = await import("./nats-bus.ts");
    return connectNats(op, options);
  },
};
