/** HTTP over the real network: requests by Bun's fetch, serving by Bun.serve. See net-request.ts, net-serve.ts and tls-pin.ts. */
import type { Net } from "../ports/net.ts";
import { request, stream } from "./net-request.ts";
import { serve } from "./net-serve.ts";
import type { PinMemory } from "./tls-pin.ts";

/** Remembers pinned certificates for as long as it lives. */
export function realNet(): Net {
  const memory: PinMemory = new Map();
  return {
    request: (op, wanted) => request(memory, op, wanted),
    stream: (op, wanted) => stream(memory, op, wanted),
    serve,
  };
}
