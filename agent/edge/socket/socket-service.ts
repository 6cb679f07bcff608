/**
 * The local socket: how a person on the box and the watchdog look at the agent. Only its own user (root) can open it; the mode
 * of the socket says so, and it gives nobody any rights: it hands over ops, which count by their signatures like those of every other courier.
 */
import { isFault } from "../../../shared/core/fault.ts";
import { type Check, isReady } from "../../../shared/core/health.ts";
import { metricsText } from "../../../shared/core/metrics.ts";
import type { World } from "../../../shared/ports/world.ts";
import { checksOf } from "../../../shared/supervise.ts";
import type { Service } from "../../../shared/service.ts";
import { untilStopped } from "../../../shared/core/signal.ts";
import type { Desk } from "../desk.ts";
import type { OpsDoor } from "../ops/door.ts";
import { statusOf } from "./status-of.ts";

/** An op as a file carries it: its envelope. */
const BODY_BYTES_MAX = 2 * 1024 * 1024;
const LOG_ENTRIES_DEFAULT = 50;
const LOG_ENTRIES_MAX = 10_000;
const GRACE_MS = 1_000;

/** `services` is the whole list of this process, this service included: what it shows and what supervises is one list. */
export function socketService(world: World, desk: Desk, ops: OpsDoor, services: () => readonly Service[]): Service {
  const checks = (): readonly Check[] => checksOf(services());
  let isServing = false;
  return {
    name: "socket",
    start: async (stop) => {
      const { socketPath } = desk.settings;
      makeParent(world, socketPath);
      const listener = await world.net.serve("socket.serve", { on: "unix", path: socketPath, mode: 0o600, bodyBytesMax: BODY_BYTES_MAX }, (request) =>
        answer({ world, desk, ops, services: services(), checks: checks() }, request),
      );
      isServing = true;
      return {
        done: untilStopped(stop).then(async () => {
          isServing = false;
          await listener.stop(GRACE_MS);
        }),
      };
    },
    health: () => (isServing ? { is: "healthy" } : { is: "unknown", because: "not serving yet" }),
    metrics: () => [{ name: "felhom_agent_rss_bytes", help: "Resident memory of the agent.", type: "gauge", samples: [{ value: world.self.rssBytes() }] }],
  };
}

interface Counter {
  readonly world: World;
  readonly desk: Desk;
  readonly ops: OpsDoor;
  readonly services: readonly Service[];
  readonly checks: readonly Check[];
}

async function answer({ world, desk, ops, services, checks }: Counter, request: Request): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  switch (`${request.method} ${pathname}`) {
    case "GET /status":
      return Response.json(statusOf(world, desk, checks));
    case "GET /healthz":
      return new Response("ok\n");
    case "GET /readyz":
      return Response.json(
        { ready: isReady(checks), checks: checks.map(({ name, health }) => ({ name, ...health })) },
        { status: isReady(checks) ? 200 : 503 },
      );
    case "GET /metrics":
      return new Response(metricsText(services.flatMap((service) => service.metrics())), { headers: { "content-type": "text/plain; version=0.0.4" } });
    case "POST /converge":
      desk.want("demand");
      return Response.json({ accepted: true, enrolled: desk.link.is !== "not_enrolled" }, { status: 202 });
    case "POST /ops":
      return Response.json(await ops.offer(new Uint8Array(await request.arrayBuffer()), "file"));
    case "GET /ops":
      return Response.json(ops.opOf(searchParams.get("id") ?? ""));
    case "GET /ops/returns":
      return Response.json(ops.returns(Number(searchParams.get("after") ?? 0) || 0));
    case "GET /op-log":
      return Response.json({ entries: ops.log(Math.min(LOG_ENTRIES_MAX, Number(searchParams.get("limit") ?? LOG_ENTRIES_DEFAULT) || LOG_ENTRIES_DEFAULT)) });
    default:
      return Response.json({ type: "about:blank", title: "There is no such thing", status: 404, code: "not_found" }, { status: 404 });
  }
}

function makeParent(world: World, path: string): void {
  const dir = path.slice(0, path.lastIndexOf("/"));
  if (world.files.stat("socket.dir", dir, { follow: true }) !== undefined) return;
  try {
    world.files.makeDir("socket.dir", dir, 0o755);
  } catch (error) {
    if (!isFault(error, "file_exists")) throw error;
  }
}
