/** The other end of the local socket, for `status`, `doctor` and `converge`. */
import * as z from "zod/mini";
import { fromUtf8 } from "../../../shared/core/bytes.ts";
import { Fault, isFault } from "../../../shared/core/fault.ts";
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

async function call(world: World, socketPath: string, method: "GET" | "POST", path: string, wanted: number): Promise<Uint8Array> {
  let reply: Awaited<ReturnType<World["net"]["request"]>>;
  try {
    reply = await world.net.request("socket.request", {
      method,
      url: `http://agent${path}`,
      unix: socketPath,
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
