/**
 * The listening side: TLS or the reason why not, the routes of this build, and on a first start the words that tell the operator what
 * to do next. Stops by answering what it holds, then letting what runs end.
 */
import { Fault } from "../../../shared/core/fault.ts";
import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import type { Listen, Listener } from "../../../shared/ports/net.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Service } from "../../../shared/service.ts";
import { plainHttpRefusal } from "../../core/tls/listen-rule.ts";
import type { HubSettings } from "../../settings.ts";
import { agentBlobRoutes } from "../blobs/routes.ts";
import { enrollRoutes } from "../enroll/routes.ts";
import type { Slot } from "../slot.ts";
import type { Agents } from "../sync/agents.ts";
import { ensureSetupToken } from "../tls/data-dir.ts";
import { ownTls, readTls, type TlsFiles } from "../tls/own-certificate.ts";
import { operatorRoutes } from "./api/operator-routes.ts";
import { type Care, careOf, careRoutes } from "./care-routes.ts";
import { openApiRoute } from "./openapi.ts";
import type { Route } from "./route.ts";
import { type HubServer, hubServer } from "./server.ts";

const STOP_GRACE_MS = 5_000;

export function httpService(world: World, settings: HubSettings, opened: Slot<Agents>, services: () => readonly Service[]): Service {
  let health: Health = { is: "unknown", because: "not listening" };
  let server: HubServer | undefined;
  return {
    name: "http",
    start: async (stop) => {
      const agents = opened.get();
      const tls = await tlsOf(world, settings);
      const routes = hubRoutes(agents, careOf(services));
      server = hubServer({ ...agents, routes });
      const listener = await world.net.serve("hub.listen", listenOf(settings, tls, largestBody(routes)), server.handle);
      health = { is: "healthy" };
      announce(world, settings, agents, listener, tls);
      return { done: untilStopped(agents, listener, stop) };
    },
    health: () => health,
    metrics: () => (server === undefined ? [] : metricsOf(opened.peek(), server)),
  };
}

/** Every route of this build: registration, the API description and the access matrix read this one list. */
export function hubRoutes({ hub, guard, enrolling }: Agents, care: Care): readonly Route[] {
  const routes: Route[] = [...careRoutes(hub, care), ...enrollRoutes(enrolling, guard), ...agentBlobRoutes(hub), ...operatorRoutes(hub, () => care.checks())];
  return [...routes, openApiRoute(() => routes, hub.world.self.version)];
}

const largestBody = (routes: readonly Route[]): number => Math.max(...routes.map((route) => route.bodyBytesMax));

async function tlsOf(world: World, settings: HubSettings): Promise<TlsFiles | undefined> {
  switch (settings.tls.use) {
    case "own":
      return ownTls(world, settings.dataDir, settings.hostnames);
    case "files":
      return readTls(world, settings.tls.certPath, settings.tls.keyPath);
    case "none": {
      const refusal = plainHttpRefusal(settings.listen.address, settings.trustedProxies);
      if (refusal === undefined) return undefined;
      throw new Fault("bad_settings", refusal, { remedy: "Listen on 127.0.0.1, name the proxy in front of the hub (trusted proxies), or leave TLS on" });
    }
  }
}

function listenOf({ listen }: HubSettings, tls: TlsFiles | undefined, bodyBytesMax: number): Listen {
  return {
    on: "tcp",
    address: listen.address,
    port: listen.port,
    bodyBytesMax,
    ...(tls === undefined ? {} : { tls: { certPem: tls.certPem, keyPem: tls.keyPem } }),
  };
}

function announce(world: World, settings: HubSettings, { hub }: Agents, listener: Listener, tls: TlsFiles | undefined): void {
  world.log.event("info", "hub.listening", { url: listener.url, pin: tls?.pin });
  if (hub.fleet.root !== undefined) return;
  const tokenFile = ensureSetupToken(world, settings.dataDir);
  const pin = tls === undefined ? "" : ` --pin ${tls.pin}`;
  world.log.event("info", "hub.setup_waiting", {
    setup_token_file: tokenFile,
    next: `This hub has no fleet yet. On your workstation, with a copy of that file: felhom login --hub ${listener.url}${pin} --setup-token-file setup-token`,
  });
}

async function untilStopped({ hub }: Agents, listener: Listener, stop: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    if (stop.aborted) resolve();
    else stop.addEventListener("abort", () => resolve(), { once: true });
  });
  hub.courier.stop();
  await listener.stop(STOP_GRACE_MS);
}

function metricsOf(agents: Agents | undefined, server: HubServer): readonly Metric[] {
  if (agents === undefined) return [];
  const { hub, sync, guard } = agents;
  const contacts = Object.entries(hub.hosts.counts()).map(([contact, value]) => ({ labels: { contact }, value }));
  const syncs = Object.entries(sync.counts).map(([outcome, value]) => ({ labels: { outcome }, value }));
  const refused = Object.entries(guard.refused).map(([limit, value]) => ({ labels: { limit }, value }));
  return [
    { name: "felhom_build_info", help: "The version that runs.", type: "gauge", samples: [{ labels: { version: hub.world.self.version }, value: 1 }] },
    { name: "felhom_hosts", help: "Hosts by contact.", type: "gauge", samples: contacts },
    { name: "felhom_hub_syncs_total", help: "Syncs by outcome.", type: "counter", samples: syncs },
    { name: "felhom_hub_held_syncs", help: "Syncs held now.", type: "gauge", samples: [{ value: hub.courier.held }] },
    { name: "felhom_hub_requests_total", help: "Other requests.", type: "counter", samples: [{ value: server.counts.requests }] },
    {
      name: "felhom_hub_request_failures_total",
      help: "Requests that failed by the hub's own fault.",
      type: "counter",
      samples: [{ value: server.counts.failures }],
    },
    { name: "felhom_hub_rate_limited_total", help: "Requests refused by a rate.", type: "counter", samples: refused },
    { name: "felhom_resident_memory_bytes", help: "Resident memory.", type: "gauge", samples: [{ value: hub.world.self.rssBytes() }] },
  ];
}
