/** The hub says stale or down only of a host that really was silent for that long, and recovered only of one that spoke since. */
import type { Checker } from "./checker.ts";

export interface LivenessTimes {
  readonly staleMs: number;
  readonly downMs: number;
}

export function livenessIsTrue({ staleMs, downMs }: LivenessTimes): Checker {
  let newest = 0;
  let restores = 0;
  const lost = new Map<string, number>();
  return {
    name: "liveness-is-true",
    afterHub: ({ hub, truth, nowMs }, report) => {
      const database = hub.database();
      if (database === undefined) return;
      if (truth.hubRestores !== restores) {
        restores = truth.hubRestores;
        newest = database.get<{ seq: number | null }>("check", "SELECT max(seq) AS seq FROM events")?.seq ?? 0;
      }
      const events = database.all<{ seq: number; kind: string; host_id: string | null }>(
        "check",
        "SELECT seq, kind, host_id FROM events WHERE seq > ? ORDER BY seq",
        newest,
      );
      for (const { seq, kind, host_id } of events) {
        newest = seq;
        if (host_id === null) continue;
        const heard = truth.heard.get(host_id);
        const silentMs = heard === undefined ? Number.POSITIVE_INFINITY : nowMs - heard.answeredMs;
        if (kind === "host.stale" && silentMs < staleMs) report(`${host_id} was called stale after ${silentMs} ms of silence`);
        if (kind === "host.down" && silentMs < downMs) report(`${host_id} was called down after ${silentMs} ms of silence`);
        if (kind === "host.stale" || kind === "host.down") lost.set(host_id, nowMs);
        if (kind === "host.recovered" && (heard === undefined || heard.arrivedMs < (lost.get(host_id) ?? 0)))
          report(`${host_id} was called recovered and had not spoken`);
      }
    },
  };
}
