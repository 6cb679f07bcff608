/**
 * The local socket: how a person on the box and the watchdog look at the agent. Only its own user (root) can open it; the mode
 * of the socket says so, and nothing here changes more than when the next converge run begins.
 */
import { isFault } from "../../../shared/core/fault.ts";
import { type Check, isReady } from "../../../shared/core/health.ts";
import { metricsText } from "../../../shared/core/metrics.ts";
import type { World } from "../../../shared/ports/world.ts";
import { checksOf } from "../../../shared/supervise.ts";
import type { Service } from "../../../shared/service.ts";
import { untilStopped } from "../../core/signal.ts";
import type { Desk } from "../desk.ts";
import { statusOf } from "./status-of.ts";

const BODY_BYTES_MAX = 4 * 1024;
const GRACE_MS = 1_000;

/** `services` is the whole list of this process, this service included: what it shows and what supervises is one list. */
export function socketService(world: World, desk: Desk, services: () => readonly Service[]): Service {
  const checks = (): readonly Check[] => checksOf(services());
  let isServing = false;
  return {
    name: "socket",
    start: async (stop) => {
      const { socketPath } = desk.settings;
      makeParent(world, socketPath);
      const listener = await world.net.serve("socket.serve", { on: "unix", path: socketPath, mode: 0o600, bodyBytesMax: BODY_BYTES_MAX }, (request) =>
        answer(world, desk, services(), checks(), request),
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

function answer(world: World, desk: Desk, services: readonly Service[], checks: readonly Check[], request: Request): Response {
  const { pathname } = new URL(request.url);
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
