import { age, ageOf, count, isoTime, isoTimeOrNull } from "../../../shared/cli/age.ts";
import { glyphOf, markCell } from "../../../shared/cli/glyph.ts";
import { table, type Cell, type Column } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { HostHealth, HostItem } from "../../../shared/protocol/api/hosts.ts";
import { paint } from "../../../shared/cli/colour.ts";

/** `host list`: who needs somebody first, last-seen always with its age, and a summary that counts everyone. */

/** `behind`: all well, with another bundle than the wanted one. What the new one will do there is not known yet, so it is not `ok`. */
export type ShownHealth = HostHealth | "behind";

/** Most urgent first. */
const URGENCY: readonly ShownHealth[] = ["failed", "down", "degraded", "stale", "drift", "unknown", "behind", "ok", "revoked"];

export function shownHealth(host: HostItem): ShownHealth {
  return host.health === "ok" && isBehind(host) ? "behind" : host.health;
}

function isBehind({ bundle_wanted, bundle_in_force }: HostItem): boolean {
  return bundle_wanted > 0 && bundle_in_force !== bundle_wanted;
}

export function sortHosts(hosts: readonly HostItem[]): readonly HostItem[] {
  return hosts.toSorted(
    (a, b) =>
      URGENCY.indexOf(shownHealth(a)) - URGENCY.indexOf(shownHealth(b)) || (a.name < b.name ? -1 : a.name > b.name ? 1 : a.host_id < b.host_id ? -1 : 1),
  );
}

export function needsAttention(host: HostItem): boolean {
  const health = shownHealth(host);
  return health !== "ok" && health !== "revoked";
}

export function isPaused(host: Pick<HostItem, "paused_until">, nowMs: number): boolean {
  return host.paused_until !== null && host.paused_until > nowMs;
}

/** What it holds of what it should: one short phrase; of a silent host, what it was when it was last heard. */
export function stateText(host: HostItem, nowMs: number): string {
  const silent = host.contact === "stale" || host.contact === "down";
  return `${silent && host.counts !== null && host.health !== "revoked" ? "was " : ""}${heardState(host, nowMs)}`;
}

function heardState(host: HostItem, nowMs: number): string {
  if (host.health === "revoked") return "revoked";
  if (host.contact === "never") return "never synced";
  if (isPaused(host, nowMs)) return `paused ${age((host.paused_until ?? nowMs) - nowMs)} more`;
  if (host.counts === null) return "no report yet";
  const { failed, drifted, waiting, changed } = host.counts;
  if (failed > 0) return `${failed} failed`;
  if (drifted > 0) return `${drifted} drifted`;
  if (host.bundle_wanted === 0) return "no bundle yet";
  if (isBehind(host)) return `on bundle ${host.bundle_in_force ?? 0} of ${host.bundle_wanted}`;
  if (waiting > 0) return `${waiting} waiting`;
  if (changed > 0) return `${changed} changed`;
  return host.mode === "monitor" ? "as wanted, watching" : "converged";
}

/** `+40 d`: a wrong clock makes every time that this box tells wrong, and at some point its judgement of what is still valid. */
export function clockOffText({ clock_off_ms: off }: Pick<HostItem, "clock_off_ms">): string | undefined {
  return off === undefined ? undefined : `${off < 0 ? "-" : "+"}${age(Math.abs(off))}`;
}

function noteText(host: HostItem): string | null {
  const off = clockOffText(host);
  if (off === undefined) return host.note;
  return host.note === null ? `clock ${off}` : `clock ${off}, ${host.note}`;
}

export interface ListOptions {
  readonly nowMs: number;
  readonly wide: boolean;
  readonly pending: number;
  /** By host id: what does not fit with what was signed. Absent: nobody looked. */
  readonly lies?: ReadonlyMap<string, string>;
  readonly terminal: Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;
}

export function hostListText(hosts: readonly HostItem[], options: ListOptions): string {
  const { nowMs, terminal, wide } = options;
  const columns: readonly Column[] = [
    { title: "HOST", flex: true, least: 14 },
    { title: "HEALTH" },
    { title: "SEEN", align: "right" },
    { title: "STATE", flex: true, least: 12 },
    { title: "AGENT", drop: 2 },
    ...(wide ? [{ title: "BUNDLE", align: "right" as const }, { title: "MODE", drop: 3 }, { title: "LABELS", flex: true }, { title: "ID" }] : []),
    { title: "NOTE", flex: true, least: 16, drop: 1 },
  ];
  const rows = sortHosts(hosts).map((host): readonly Cell[] => [
    host.name,
    options.lies?.has(host.host_id) === true ? markCell(terminal, "bad", "unverified") : markCell(terminal, glyphOf(shownHealth(host)), shownHealth(host)),
    ageOf(host.last_seen_at, nowMs),
    stateText(host, nowMs),
    host.agent_version,
    ...(wide ? [host.bundle_in_force, host.mode, labelsText(host.labels), host.host_id] : []),
    options.lies?.get(host.host_id) ?? noteText(host),
  ]);
  return hosts.length === 0 ? summaryText(hosts, options) : [table(columns, rows, terminal), summaryText(hosts, options)].join("\n\n");
}

export function labelsText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(" ");
}

function summaryText(hosts: readonly HostItem[], options: ListOptions): string {
  const { nowMs, pending, terminal } = options;
  const attention = hosts.filter(needsAttention).length;
  const dot = terminal.unicode ? " · " : ", ";
  const members = hosts.filter(({ health }) => health !== "revoked").length;
  const parts = [
    hosts.length === 0
      ? "No host yet"
      : attention === 0
        ? paint(terminal, "good", members === 1 ? "The one host is as wanted" : `All ${members} hosts as wanted`)
        : paint(terminal, "warn", `${attention} of ${count(hosts.length, "host")} ${attention === 1 ? "needs" : "need"} attention`),
    ...tally(hosts, nowMs).map(([what, number]) => `${number} ${what}`),
  ];
  const { lies } = options;
  const checked =
    lies === undefined
      ? []
      : [
          lies.size === 0
            ? paint(terminal, "good", "All of it fits with what was signed")
            : paint(terminal, "bad", `${count(lies.size, "host")} unverified: what the hub says was not signed`),
        ];
  const waiting = pending === 0 ? [] : [paint(terminal, "warn", `${count(pending, "box", "boxes")} ${pending === 1 ? "waits" : "wait"} for approval`)];
  return [parts.join(dot), ...checked, ...waiting].map((line) => `  ${line}`).join("\n");
}

function tally(hosts: readonly HostItem[], nowMs: number): readonly (readonly [string, number])[] {
  const counts: readonly (readonly [string, number])[] = [
    ...URGENCY.map((health) => [health, hosts.filter((host) => shownHealth(host) === health).length] as const),
    ["paused", hosts.filter((host) => isPaused(host, nowMs)).length],
  ];
  return counts.filter(([, number]) => number > 0);
}

export function hostData(host: HostItem): Readonly<Record<string, unknown>> {
  return {
    name: host.name,
    id: host.host_id,
    labels: host.labels,
    health: shownHealth(host),
    contact: host.contact,
    lastSeen: isoTimeOrNull(host.last_seen_at),
    agent: host.agent_version,
    bundle: { wanted: host.bundle_wanted, inForce: host.bundle_in_force },
    counts: host.counts,
    mode: host.mode,
    pausedUntil: isoTimeOrNull(host.paused_until),
    specGeneration: host.spec_generation,
    note: host.note,
    clockOffMs: host.clock_off_ms ?? null,
    createdAt: isoTime(host.created_at),
  };
}

/** `verified` is null where nobody looked: the list is the hub's word. */
export function hostListData(
  hosts: readonly HostItem[],
  { nowMs, pending, lies }: Pick<ListOptions, "nowMs" | "pending" | "lies">,
): Readonly<Record<string, unknown>> {
  return {
    items: sortHosts(hosts).map((host) => ({
      ...hostData(host),
      verified: lies === undefined ? null : !lies.has(host.host_id),
      unverifiedBecause: lies?.get(host.host_id) ?? null,
    })),
    summary: { total: hosts.length, attention: hosts.filter(needsAttention).length, ...Object.fromEntries(tally(hosts, nowMs)), pending },
  };
}
