/** What machines ask of the hub itself: is it alive, can it do its job, what does it count. */
import * as z from "zod/mini";
import { type Check, isReady } from "../../../shared/core/health.ts";
import { type Metric, metricsText } from "../../../shared/core/metrics.ts";
import type { Service } from "../../../shared/service.ts";
import type { Hub } from "../hub.ts";
import { writeMeta } from "../store/meta.ts";
import { defineRoute, type Route } from "./route.ts";

const PROBE_EVERY_MS = 10_000;

const readiness = z.object({ ready: z.boolean(), checks: z.array(z.object({ name: z.string(), is: z.enum(["healthy", "degraded", "failed", "unknown"]) })) });

/** What every service says of itself: `/readyz`, `/metrics` and the status read this one list. */
export interface Care {
  checks(): readonly Check[];
  metrics(): readonly Metric[];
}

export const careOf = (services: () => readonly Service[]): Care => ({
  checks: () => services().map((service) => ({ name: service.name, health: service.health() })),
  metrics: () => services().flatMap((service) => service.metrics()),
});

export function careRoutes(hub: Hub, care: Care): readonly Route[] {
  const probe = writeProbe(hub);
  return [
    defineRoute(
      {
        method: "GET",
        path: "/healthz",
        capability: "open",
        summary: "The process lives",
        bodyBytesMax: 0,
        replies: { 200: { what: "It lives", schema: z.object({ alive: z.literal(true) }) } },
      },
      async () => ({
        status: 200,
        body: { alive: true },
      }),
    ),
    defineRoute(
      {
        method: "GET",
        path: "/readyz",
        capability: "open",
        summary: "The hub can do its job: every part answers, and a write reaches the disk",
        bodyBytesMax: 0,
        replies: { 200: { what: "Ready", schema: readiness }, 503: { what: "Not ready", schema: readiness } },
      },
      async () => {
        await probe();
        const checks = care.checks();
        const ready = isReady(checks);
        // Why is in the log and in `felhom status`; a stranger learns only which part.
        return { status: ready ? 200 : 503, body: { ready, checks: checks.map(({ name, health }) => ({ name, is: health.is })) } };
      },
    ),
    defineRoute(
      {
        method: "GET",
        path: "/metrics",
        capability: "fleet.read",
        summary: "Prometheus text",
        bodyBytesMax: 0,
        replies: { 200: { what: "Metrics", type: "text/plain" } },
        errors: ["unauthenticated"],
      },
      async () => new Response(metricsText(care.metrics()), { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } }),
    ),
  ];
}

/** Writes one row and awaits the disk, at most every ten seconds; the store's own health then tells. */
function writeProbe(hub: Hub): () => Promise<void> {
  let lastMonoMs = Number.NEGATIVE_INFINITY;
  return async () => {
    const nowMono = hub.world.clock.monoMs();
    if (nowMono - lastMonoMs < PROBE_EVERY_MS && hub.store.health().is === "healthy") return;
    lastMonoMs = nowMono;
    try {
      await hub.store.write("readiness.probe", (tx) => writeMeta(tx.db, "write_probe", String(hub.world.clock.wallMs())));
    } catch {
      // The store has noted it, and `/readyz` reads that.
    }
  };
}
