/** `felhom status` on a box: the status as a screen, and as data for machines. */
import { age, ageOf, ago, byteSize, count, isoTimeOrNull, until } from "../../../shared/cli/age.ts";
import { paint } from "../../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../../shared/cli/escape.ts";
import { type Glyph, mark, markCell } from "../../../shared/cli/glyph.ts";
import { type Cell, fields, table } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { AgentStatus } from "./agent-status.ts";

type Screen = Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;

export function statusText(status: AgentStatus, nowMs: number, terminal: Screen): string {
  const { host, desired, converge } = status;
  // Link and runner have lines of their own that say more.
  const sick = status.checks.filter(({ name, is }) => is !== "healthy" && !(is === "degraded" && (name === "link" || name === "runner")));
  const head = `${paint(terminal, "strong", escapeUntrusted(host?.name ?? host?.id ?? "this box"))}  ${overall(status, terminal)}`;
  const pairs: readonly (readonly [string, Cell])[] = [
    ["host", host === undefined ? "not enrolled" : `${host.id} in ${host.fleet}`],
    ["labels", labelsText(host?.labels)],
    ["link", linkCell(status, nowMs, terminal)],
    ["NATS", natsCell(status, nowMs, terminal)],
    ["bundle", bundleCell(status, nowMs)],
    ["trust", trustText(status, nowMs)],
    [
      "spec",
      desired.generation === 0
        ? "none yet"
        : `generation ${desired.generation}, ${desired.mode}${desired.pausedUntilMs === undefined ? "" : `, the pause ends ${until(desired.pausedUntilMs, nowMs)}`}`,
    ],
    ["converge", convergeText(status, nowMs)],
    ["resources", countsCell(status)],
    [
      "next run",
      converge.running === undefined ? (converge.nextInMs === undefined ? undefined : `in ${age(converge.nextInMs)}`) : `running now (${converge.running})`,
    ],
    ["ops", opsCell(status)],
    ["outbox", outboxText(status)],
    [
      "source",
      {
        text: `${desired.source}${desired.notes.length === 0 ? "" : `: ${desired.notes.join("; ")}`}`,
        style: desired.source === "database" ? "plain" : "warn",
      },
    ],
    ["agent", `felhom ${status.version}, pid ${status.pid}, start ${status.run}, up ${ageOf(status.startedMs, nowMs)}, ${byteSize(status.rssBytes)}`],
  ];
  const trouble = sick.map(
    ({ name, is, because }) => [name, markCell(terminal, is === "failed" ? "bad" : "warn", `${is}${because === undefined ? "" : `: ${because}`}`)] as const,
  );
  const notable = converge.last?.notable.filter(({ outcome }) => outcome !== "changed") ?? [];
  const rows = notable.map(({ id, outcome, reason }): readonly Cell[] => [id, { text: outcome, style: outcome === "failed" ? "bad" : "warn" }, reason]);
  const details =
    rows.length === 0
      ? []
      : ["", table([{ title: "RESOURCE", flex: true, least: 16 }, { title: "OUTCOME" }, { title: "WHY", flex: true, least: 20 }], rows, terminal)];
  return [head, "", fields([...pairs, ...trouble], terminal), ...details].join("\n");
}

function overall(status: AgentStatus, terminal: Screen): string {
  const { last, failure } = status.converge;
  const say = (kind: Glyph, word: string): string => mark(terminal, kind, word);
  if (status.host === undefined) return say("off", "not enrolled");
  if (status.link.is === "revoked") return say("bad", "revoked: still enforcing what was desired last");
  if (failure !== undefined) return say("bad", "cannot converge");
  if ((last?.counts.failed ?? 0) > 0) return say("bad", `${count(last?.counts.failed ?? 0, "resource")} failed`);
  if (last?.degraded !== undefined) return say("warn", "degraded");
  if ((last?.counts.drifted ?? 0) > 0) return say("change", "drift");
  if (last === undefined) return say("busy", "starting");
  return status.link.is === "connected" ? say("good", "as wanted") : say("good", "as wanted, offline");
}

function natsCell({ nats }: AgentStatus, nowMs: number, terminal: Screen): Cell | undefined {
  if (nats === undefined) return undefined;
  if (nats.is === "detached") return markCell(terminal, "warn", `not attached${nats.because === undefined ? "" : `: ${nats.because}`}`);
  return markCell(
    terminal,
    "good",
    `attached to ${nats.server ?? ""} ${nats.url ?? ""}${nats.sinceMs === undefined ? "" : ` for ${ageOf(nats.sinceMs, nowMs)}`}`,
  );
}

function linkCell({ link }: AgentStatus, nowMs: number, terminal: Screen): Cell {
  const since = link.sinceMs === undefined ? "" : ` for ${ageOf(link.sinceMs, nowMs)}`;
  const last = link.lastSyncMs === undefined ? "no sync since it started" : `last sync ${ago(link.lastSyncMs, nowMs)}`;
  const where = link.url === undefined ? "" : ` ${link.url}`;
  const outdated = link.tooOldFor === undefined ? "" : `; the hub wants protocol ${link.tooOldFor}: update felhom`;
  switch (link.is) {
    case "connected":
      return markCell(terminal, outdated === "" ? "good" : "warn", `connected${where}, ${last}${outdated}`);
    case "offline":
      return markCell(
        terminal,
        "silent",
        `offline${since} (${link.because ?? ""})${where}, ${last}${link.nextInMs === undefined ? "" : `, next try in ${age(link.nextInMs)}`}`,
      );
    case "refused":
      return markCell(terminal, "warn", `the hub refuses this box's sync${since} (${link.because ?? ""}), ${last}`);
    case "revoked":
      return markCell(terminal, "bad", `revoked${since}: no operations, what was desired last is enforced`);
    case "unknown_to_hub":
      return markCell(terminal, "bad", `the hub does not know this box${since}: felhom enroll`);
    case "not_enrolled":
      return markCell(terminal, "off", "not enrolled: felhom enroll");
    case "starting":
      return markCell(terminal, "busy", "no hub has answered yet");
  }
}

function bundleCell({ desired }: AgentStatus, nowMs: number): Cell {
  const waiting = desired.candidate > desired.bundle ? `; ${desired.candidate} is coming, ${count(desired.missingBlobs, "file")} to fetch` : "";
  if (desired.bundle === 0) return `none${waiting}`;
  const isOld = desired.bundleExpiresMs !== undefined && desired.bundleExpiresMs <= nowMs;
  const made = desired.bundleCreatedMs === undefined ? "" : `, signed ${ago(desired.bundleCreatedMs, nowMs)}`;
  return isOld ? { text: `${desired.bundle}${made}, expired and still enforced${waiting}`, style: "warn" } : `${desired.bundle}${made}${waiting}`;
}

/** How old the newest thing is that an operator signed: a hub that withholds shows here. */
function trustText({ desired }: AgentStatus, nowMs: number): string {
  if (desired.root === 0) return "no root held";
  const expiry = desired.rootExpiresMs === undefined ? "" : desired.rootExpiresMs <= nowMs ? ", expired" : `, expires ${until(desired.rootExpiresMs, nowMs)}`;
  return `root ${desired.root}${expiry}, certificate ${desired.cert === 0 ? "by grant" : desired.cert}`;
}

function convergeText({ converge }: AgentStatus, nowMs: number): Cell {
  if (converge.failure !== undefined) return { text: `failed: ${converge.failure}`, style: "bad" };
  const { last } = converge;
  if (last === undefined) return "not yet";
  const degraded = last.degraded === undefined ? "" : `; ${last.degraded}`;
  return {
    text: `${ago(last.atMs, nowMs)} (${last.trigger}), ${last.mode}, took ${age(last.durationMs)}${degraded}`,
    style: last.degraded === undefined ? "plain" : "warn",
  };
}

function countsCell({ converge }: AgentStatus): Cell {
  if (converge.last === undefined) return undefined;
  const shown = Object.entries(converge.last.counts).filter(([outcome, value]) => value > 0 || outcome === "unchanged");
  return shown.map(([outcome, value]) => `${value} ${outcome}`).join(", ");
}

/** Said only where there is something to say: most boxes have run no op yet. */
function opsCell({ ops, desired }: AgentStatus): Cell {
  const waits =
    desired.awaiting === undefined ? "" : `generation ${desired.awaiting.generation} of the spec waits for a signature: ${desired.awaiting.fields.join(", ")}`;
  if (ops === undefined || (ops.generation === 0 && ops.incident === undefined)) return waits === "" ? undefined : { text: waits, style: "warn" };
  if (ops.incident !== undefined) {
    const what = ops.incident.is === "behind" ? "an older copy of this box was put back" : "the record of ops was damaged";
    return { text: `${what} (${escapeUntrusted(ops.incident.id)}): only reads and a signed agent.recover-ledger are taken`, style: "bad" };
  }
  const now = ops.running.map(({ kind }) => kind).join(", ");
  const text = [
    `${count(ops.generation, "op")} so far`,
    ...(now === "" ? [] : [`running ${now}`]),
    ...(ops.waiting === 0 ? [] : [`${ops.waiting} waiting`]),
    ...(waits === "" ? [] : [waits]),
  ].join("; ");
  return { text, style: waits === "" ? "plain" : "warn" };
}

function outboxText({ outbox }: AgentStatus): Cell {
  const extra = `${outbox.dropped > 0 ? `, ${outbox.dropped} dropped for want of space` : ""}${outbox.parked > 0 ? `, ${outbox.parked} refused by the hub` : ""}`;
  return {
    text: outbox.rows === 0 ? `empty${extra}` : `${count(outbox.rows, "row")} to send, ${byteSize(outbox.bytes)}${extra}`,
    style: extra === "" ? "plain" : "warn",
  };
}

function labelsText(labels: Readonly<Record<string, string>> | undefined): Cell {
  const text = Object.entries(labels ?? {}).map(([name, value]) => `${name}=${value}`);
  return text.length === 0 ? undefined : text.join(" ");
}

export function statusData(status: AgentStatus): Readonly<Record<string, unknown>> {
  const { host, link, nats, desired, converge, outbox, checks } = status;
  const { last } = converge;
  return {
    scope: "box",
    version: status.version,
    protocol: status.protocol,
    pid: status.pid,
    run: status.run,
    startedAt: isoTimeOrNull(status.startedMs),
    rssBytes: status.rssBytes,
    dataDir: status.dataDir,
    host: host === undefined ? null : { id: host.id, name: host.name ?? null, fleetId: host.fleet, labels: host.labels ?? {} },
    link: {
      state: link.is,
      because: link.because ?? null,
      url: link.url ?? null,
      since: isoTimeOrNull(link.sinceMs),
      lastSyncAt: isoTimeOrNull(link.lastSyncMs),
      failures: link.failures,
      minProtocol: link.tooOldFor ?? null,
    },
    nats:
      nats === undefined
        ? null
        : { state: nats.is, because: nats.because ?? null, url: nats.url ?? null, server: nats.server ?? null, since: isoTimeOrNull(nats.sinceMs) },
    desired: {
      source: desired.source,
      notes: desired.notes,
      root: desired.root,
      rootExpiresAt: isoTimeOrNull(desired.rootExpiresMs),
      certificate: desired.cert,
      bundle: desired.bundle,
      bundleCreatedAt: isoTimeOrNull(desired.bundleCreatedMs),
      bundleExpiresAt: isoTimeOrNull(desired.bundleExpiresMs),
      candidate: desired.candidate,
      missingBlobs: desired.missingBlobs,
      generation: desired.generation,
      mode: desired.mode,
      pausedUntil: isoTimeOrNull(desired.pausedUntilMs),
      awaitingSignature: desired.awaiting ?? null,
    },
    converge: {
      running: converge.running ?? null,
      failure: converge.failure ?? null,
      nextInMs: converge.nextInMs ?? null,
      last:
        last === undefined
          ? null
          : {
              at: isoTimeOrNull(last.atMs),
              trigger: last.trigger,
              durationMs: last.durationMs,
              mode: last.mode,
              source: last.source,
              bundle: last.bundle,
              counts: last.counts,
              refused: last.refused ?? null,
              degraded: last.degraded ?? null,
              notable: last.notable,
            },
    },
    ops: status.ops ?? null,
    outbox,
    checks: checks.map(({ name, is, because }) => ({ name, is, because: because ?? null })),
  };
}
