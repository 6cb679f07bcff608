import type { Check } from "../../../shared/core/health.ts";
import { localTime } from "../../../shared/edge/local-time.ts";
import type { World } from "../../../shared/ports/world.ts";
import { PROTOCOL } from "../../../shared/protocol/version.ts";
import { modeNow } from "../../core/desired/spec.ts";
import type { AgentStatus } from "../../core/status/agent-status.ts";
import type { Desk } from "../desk.ts";
import { readCounter } from "../store/counters.ts";

/** The desk as one answer. Reads, decides nothing. */
export function statusOf(world: World, desk: Desk, checks: readonly Check[]): AgentStatus {
  const { held, lastConverge, convergeFailure, converging } = desk;
  const nowMs = world.clock.wallMs();
  const membership = desk.membership();
  const nextInMs = desk.nextConvergeInMs?.();
  return {
    v: 1,
    version: world.self.version,
    protocol: PROTOCOL,
    pid: world.self.pid,
    run: desk.run,
    startedMs: desk.startedMs,
    rssBytes: world.self.rssBytes(),
    dataDir: desk.settings.dataDir,
    ...(membership === undefined
      ? {}
      : {
          host: {
            id: membership.host_id,
            fleet: membership.fleet_id,
            ...(held?.name === undefined ? {} : { name: held.name }),
            ...(held?.labels === undefined ? {} : { labels: held.labels }),
          },
        }),
    link: desk.link,
    ...(desk.nats.isWanted ? { nats: desk.nats.status ?? { is: "detached", because: "the hub has given no credentials yet" } } : {}),
    desired: {
      source: held?.source ?? "none",
      notes: held?.notes ?? [],
      root: held?.root ?? 0,
      ...(held?.rootExpiresAt === undefined ? {} : { rootExpiresMs: held.rootExpiresAt }),
      cert: held?.cert ?? 0,
      bundle: held?.bundle ?? 0,
      ...(held?.bundleCreatedAt === undefined ? {} : { bundleCreatedMs: held.bundleCreatedAt }),
      ...(held?.bundleExpiresAt === undefined ? {} : { bundleExpiresMs: held.bundleExpiresAt }),
      candidate: held?.candidate ?? 0,
      missingBlobs: held?.missing.length ?? 0,
      generation: held?.spec?.generation ?? 0,
      mode: modeNow(held?.spec, nowMs, localTime(nowMs)),
      ...(held?.spec?.paused_until === undefined ? {} : { pausedUntilMs: held.spec.paused_until }),
      ...(held?.awaiting === undefined ? {} : { awaiting: { generation: held.awaiting.generation, fields: Object.keys(held.awaiting.fields) } }),
    },
    converge: {
      ...(converging === undefined ? {} : { running: converging }),
      ...(lastConverge === undefined ? {} : { last: lastConverge }),
      ...(convergeFailure === undefined ? {} : { failure: convergeFailure.slice(0, 1_024) }),
      ...(nextInMs === undefined ? {} : { nextInMs }),
    },
    ...(desk.opsStatus === undefined ? {} : { ops: desk.opsStatus() }),
    outbox: { ...desk.outbox(), dropped: desk.store.use((database) => readCounter(database, "dropped_rows")) },
    checks: checks.map(({ name, health }) => ({ name, is: health.is, ...(health.is === "healthy" ? {} : { because: health.because.slice(0, 1_024) }) })),
  };
}
