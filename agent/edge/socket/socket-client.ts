/** The other end of the local socket, for `status`, `doctor` and `converge`. */
import * as z from "zod/mini";
import { fromUtf8 } from "../../../shared/core/bytes.ts";
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { counter, envelope as envelopeSchema, text } from "../../../shared/protocol/fields.ts";
import type { World } from "../../../shared/ports/world.ts";
import { type AgentStatus, agentStatus } from "../../core/status/agent-status.ts";

const TIMEOUT_MS = 5_000;
const REPLY_BYTES_MAX = 4 * 1024 * 1024;

/** Throws `unavailable` when no agent listens there. */
export async function readAgentStatus(world: World, socketPath: string): Promise<AgentStatus> {
  const body = await call(world, socketPath, "GET", "/status", 200);
  const parsed = z.safeParse(agentStatus, JSON.parse(fromUtf8(body)));
  if (!parsed.success)
    throw new Fault("unavailable", "Cannot read the agent's status: it is of another version", {
      remedy: "Restart the agent after an update",
      facts: { at: parsed.error.issues[0]?.path.map(String).join(".") ?? "" },
    });
  return parsed.data;
}

export async function askConverge(world: World, socketPath: string): Promise<void> {
  await call(world, socketPath, "POST", "/converge", 202);
}

/** Hands an op over. What it says is the agent's verdict on it, not its outcome. */
export async function offerOp(world: World, socketPath: string, envelope: Uint8Array): Promise<z.infer<typeof offered>> {
  return read(offered, await call(world, socketPath, "POST", "/ops", 200, envelope));
}

export async function lookAtOp(world: World, socketPath: string, id: string): Promise<z.infer<typeof opLook>> {
  return read(opLook, await call(world, socketPath, "GET", `/ops?id=${encodeURIComponent(id)}`, 200));
}

export async function readReturns(world: World, socketPath: string, after: number): Promise<z.infer<typeof returnsSlice>> {
  return read(returnsSlice, await call(world, socketPath, "GET", `/ops/returns?after=${after}`, 200));
}

/** Newest last. */
export async function readOpLog(world: World, socketPath: string, entriesMax: number): Promise<readonly string[]> {
  return read(logSlice, await call(world, socketPath, "GET", `/op-log?limit=${entriesMax}`, 200)).entries;
}

const offered = z.object({
  is: z.enum(["admitted", "busy", "known", "refused"]),
  opId: z.optional(text(32)),
  code: z.optional(text(64)),
  detail: z.optional(text(4_096)),
});
const opLook = z.object({ state: z.nullable(text(16)), answer: z.nullable(envelopeSchema) });
const returnsSlice = z.object({ returns: z.array(envelopeSchema), after: counter, more: z.boolean() });
const logSlice = z.object({ entries: z.array(text(4_096)) });

function read<T>(schema: z.ZodMiniType<T>, body: Uint8Array): T {
  const parsed = z.safeParse(schema, JSON.parse(fromUtf8(body)));
  if (!parsed.success)
    throw new Fault("unavailable", "Cannot read the agent's answer: it is of another version", { remedy: "Restart the agent after an update" });
  return parsed.data;
}

async function call(world: World, socketPath: string, method: "GET" | "POST", path: string, wanted: number, body?: Uint8Array): Promise<Uint8Array> {
  let reply: Awaited<ReturnType<World["net"]["request"]>>;
  try {
    reply = await world.net.request("socket.request", {
      method,
      url: `http://agent${path}`,
      unix: socketPath,
      ...(body === undefined ? {} : { body }),
      timeoutMs: TIMEOUT_MS,
      replyBytesMax: REPLY_BYTES_MAX,
    });
  } catch (cause) {
    if (!isFault(cause)) throw cause;
    throw new Fault("unavailable", `Cannot reach the agent at ${socketPath}: nobody answers`, {
      cause,
      remedy: "systemctl start felhom-agent, or felhom watchdog",
    });
  }
  if (reply.status !== wanted) throw new Fault("unavailable", `Cannot use the agent's answer: HTTP ${reply.status}`);
  return reply.body;
}
