/**
 * One converge run around the engine: load and verify what is desired, decide how this run has to behave (paused, window),
 * unseal the secrets, converge, keep what was good, and sign what is to be told. Runs in a worker process. What goes wrong here
 * ends in a report that says so; it never ends in a half-applied bundle.
 */
import { flatten, isFault } from "../../../shared/core/fault.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { localTime } from "../../../shared/edge/local-time.ts";
import type { FactsReport, FactValue, Report } from "../../../shared/protocol/report.ts";
import type { World } from "../../../shared/ports/world.ts";
import { bundleExpired } from "../../../shared/trust/bundle.ts";
import { PAYLOAD_BYTES_MAX } from "../../../shared/trust/payloads.ts";
import { signFacts, signReport } from "../../../shared/trust/report.ts";
import { modeNow } from "../../core/desired/spec.ts";
import { paths } from "../../core/desired/paths.ts";
import type { ConvergeSummary, WorkerRequest, WorkerResult } from "../../core/worker/messages.ts";
import { type ConvergeResult, converge } from "../converge/converge.ts";
import { collectFacts } from "../facts/collect-facts.ts";
import { collectMetrics } from "../facts/collect-metrics.ts";
import { boxSecrets } from "./box-secrets.ts";
import { type Documents, writeBoth } from "./documents.ts";
import { heldOf } from "./held.ts";
import { type Desired, loadDesired } from "./load-desired.ts";
import { readRetry, writeRetry } from "./retry-store.ts";
import { readSpecInForce } from "./spec-in-force.ts";
import { distrustDamagedTree } from "./stage.ts";

type Request = Extract<WorkerRequest, { readonly op: "converge" }>;
type Result = Extract<WorkerResult, { readonly op: "converge" }>;
type Refused = NonNullable<Report["refused"]>;

/** An unchanged report is repeated this often, so that its age at the hub says something. */
export const REPORT_REPEAT_MS = 60 * 60_000;
/** Facts that change all the time are sent at most this often. */
export const FACTS_PAUSE_MS = 10 * 60_000;
const NOTABLE_MAX = 50;
const REPORTED_MAX = 500;
/** As JSON: in base64 and with the rest of the report it still fits one batch of the outbox. */
const REPORTED_BYTES_MAX = 120 * 1024;
const NO_COUNTS: Report["counts"] = { unchanged: 0, changed: 0, drifted: 0, failed: 0, skipped: 0, waiting: 0 };

interface Ran {
  /** What was enforced. */
  readonly bundle: number;
  readonly result: ConvergeResult | undefined;
  readonly facts: Readonly<Record<string, FactValue>>;
  readonly refused: Refused | undefined;
}

/** `stop` ends it at the next resource: what was not reached is skipped, and the run that follows the next start does it. */
export async function runConverge(world: World, request: Request, stop: AbortSignal): Promise<Result> {
  const { settings } = request;
  const startedMs = world.clock.wallMs();
  const { desired, damage } = distrustDamagedTree(world, settings.dataDir, loadDesired(world, settings.dataDir));
  const spec = await readSpecInForce(world, settings.dataDir, desired);
  // A signed op may ask for a run outside windows and pauses; what only monitors goes on only monitoring.
  const mode = request.isForced === true ? (spec?.mode ?? "enforce") : modeNow(spec, startedMs, localTime(startedMs));
  const ran = await enforce(world, request, desired, damage, mode, stop);
  const durationMs = Math.max(0, world.clock.wallMs() - startedMs);
  // A database that was moved aside has no documents: what was enforced came from the snapshot, also when both agree again now.
  const source = desired.source === "snapshot" || (request.databaseLost && desired.source !== "none") ? "snapshot" : "database";
  const summary = summarise({ request, desired, ran, mode, source, startedMs, durationMs });
  const healed = desired.source === "none" ? [] : heal(world, settings.dataDir, desired, ran);
  // Looked at again: another worker may have adopted something since this run began. Source and notes are this run's own.
  const held = await heldOf(world, settings.dataDir, { ...loadDesired(world, settings.dataDir), source: desired.source, notes: [...desired.notes, ...healed] });
  return {
    op: "converge",
    held,
    summary,
    ...sign(request, desired, ran, summary),
    metrics: collectMetrics(world),
    ...(ran.result?.retryInMs === undefined ? {} : { retryInMs: Math.max(0, Math.round(ran.result.retryInMs)) }),
  };
}

async function enforce(
  world: World,
  request: Request,
  desired: Desired,
  damage: string | undefined,
  mode: ConvergeSummary["mode"],
  stop: AbortSignal,
): Promise<Ran> {
  const { settings } = request;
  const { bundle, identity } = desired;
  const nothing = async (refused?: Refused): Promise<Ran> => ({
    bundle: 0,
    result: undefined,
    facts: await collectFacts(world, { factsDirs: settings.factsDirs }),
    refused,
  });
  const stored = desired.refused.find(({ what }) => what === "bundle" || what === "identity");
  if (stored !== undefined)
    return nothing({
      bundle: bundle?.version ?? 0,
      code: stored.code,
      because: clip(`The stored ${stored.what} does not verify against root ${desired.root?.payload.version ?? 0}: ${stored.detail}`, 1_024),
    });
  if (bundle === undefined || identity === undefined) return nothing();
  if (damage !== undefined)
    return nothing({ bundle: bundle.version, code: "blob_mismatch", because: clip(`Its files on disk are damaged and are fetched again: ${damage}`, 1_024) });
  const secrets = await boxSecrets(desired.keys, identity, bundle);
  if (!secrets.ok) return nothing({ bundle: bundle.version, code: secrets.refusal, because: clip(secrets.detail, 1_024) });
  const { lastGood } = desired.documents;
  const result = await converge(world, {
    treeDir: paths(settings.dataDir).bundle(bundle.version),
    host: { id: identity.hostId, name: identity.name },
    labels: identity.labels,
    secrets: secrets.value,
    mode: mode === "enforce" ? "enforce" : "monitor",
    lastGood: lastGood?.resources,
    ...(lastGood === undefined ? {} : { lastGoodTreeDir: paths(settings.dataDir).bundle(lastGood.bundle) }),
    retry: readRetry(world, settings.dataDir),
    journal: (retry) => writeRetry(world, settings.dataDir, retry),
    isNewBundle: lastGood?.bundle !== bundle.version,
    isAsked: request.trigger === "demand",
    factsDirs: settings.factsDirs,
    render: { argv: [...world.self.exe, "render"] },
    stop,
  });
  const refused = result.rendered.ok ? undefined : { bundle: bundle.version, code: "render_failed", because: firstFault(result) };
  const inForce = result.enforced === "new" ? bundle.version : result.enforced === "last-good" ? (lastGood?.bundle ?? 0) : 0;
  return { bundle: inForce, result, facts: result.facts, refused };
}

/** Both copies hold the same again, with the newest good resources. What cannot be written is a note, not the end of the run. */
function heal(world: World, dataDir: string, desired: Desired, ran: Ran): readonly string[] {
  const { result } = ran;
  const lastGood =
    result?.enforced === "new" && result.rendered.ok && desired.bundle !== undefined
      ? { bundle: desired.bundle.version, resources: [...result.rendered.resources] }
      : desired.documents.lastGood;
  const notes: string[] = [];
  try {
    notes.push(
      ...writeBoth(world, dataDir, (stored) => ({
        // Another worker may have adopted something while this one ran: its documents stay, unless this copy is the only good one.
        ...(stored !== undefined && (desired.source === "database" || isAhead(stored, desired.documents)) ? stored : desired.documents),
        ...(lastGood === undefined ? {} : { lastGood }),
      })),
    );
    if (result !== undefined) writeRetry(world, dataDir, result.retry);
  } catch (error) {
    if (!isFault(error) || error.code === "disk_failed") throw error;
    notes.push(clip(`The outcome could not be kept: ${flatten(error)}`, 1_024));
  }
  return notes;
}

/** Stored while this run went on, by a worker that adopted: every adoption raises one of these. */
function isAhead(stored: Documents, read: Documents): boolean {
  const grows = ({ roots, floor, spec }: Documents): readonly number[] => [roots.length, floor.bundle, floor.timeMs, spec?.generation ?? 0];
  const before = grows(read);
  return grows(stored).some((value, at) => value > (before[at] ?? 0));
}

interface Told {
  readonly request: Request;
  readonly desired: Desired;
  readonly ran: Ran;
  readonly mode: ConvergeSummary["mode"];
  readonly source: ConvergeSummary["source"];
  readonly startedMs: number;
  readonly durationMs: number;
}

function summarise({ request, desired, ran, mode, source, startedMs, durationMs }: Told): ConvergeSummary {
  const notable = worstFirst(ran).slice(0, NOTABLE_MAX);
  const degraded = degradation(desired, ran, startedMs);
  return {
    trigger: request.trigger,
    atMs: startedMs,
    durationMs,
    mode,
    source,
    bundle: ran.bundle,
    counts: ran.result?.counts ?? NO_COUNTS,
    ...(ran.refused === undefined ? {} : { refused: ran.refused }),
    notable: notable.map(({ id, outcome, reason }) => ({ id: clip(id, 256), outcome, reason: clip(reason, 512) })),
    ...(degraded === undefined ? {} : { degraded }),
  };
}

/** Why this box is less than well, in the order a person should hear it. */
function degradation(desired: Desired, ran: Ran, nowMs: number): string | undefined {
  if (ran.refused !== undefined) return clip(`enforcing bundle ${ran.bundle}, bundle ${ran.refused.bundle} is not enforced: ${ran.refused.because}`, 1_024);
  if (desired.bundle !== undefined && bundleExpired(desired.bundle, nowMs))
    return `bundle ${desired.bundle.version} has expired and stays in force: publish a new one`;
  if (desired.source === "none") return "desired state is lost on this box and is asked of the hub anew";
  if (desired.source === "snapshot") return clip(["desired state comes from the snapshot", ...desired.notes].join("; "), 1_024);
  return desired.notes[0];
}

/** The signed messages that are worth sending now. */
function sign(request: Request, desired: Desired, ran: Ran, summary: ConvergeSummary): Pick<Result, "report" | "facts"> {
  const { identity } = desired;
  if (identity === undefined) return {};
  const ids = { v: 1 as const, fleet_id: identity.fleetId, host_id: identity.hostId, created_at: summary.atMs };
  const report: Report = {
    ...ids,
    bundle: ran.bundle,
    ...(ran.refused === undefined ? {} : { refused: ran.refused }),
    spec: desired.documents.spec?.generation ?? 0,
    mode: summary.mode,
    trigger: summary.trigger,
    source: summary.source,
    duration_ms: summary.durationMs,
    counts: summary.counts,
    resources: reported(ran),
    plan_sha256: ran.result?.planSha256 ?? EMPTY_PLAN,
  };
  const digest = digestOf({ ...report, created_at: 0, duration_ms: 0, trigger: "" });
  const isNews =
    digest !== request.reported.digest ||
    report.counts.changed > 0 ||
    request.trigger === "demand" ||
    isDue(summary.atMs, request.reported.atMs, REPORT_REPEAT_MS);
  return {
    ...(isNews ? { report: { digest, envelope: signReport(report, desired.keys.signingKey) } } : {}),
    ...signNewFacts(request, ran, desired, ids, summary.atMs),
  };
}

const EMPTY_PLAN = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" as Report["plan_sha256"];

function signNewFacts(request: Request, ran: Ran, desired: Desired, ids: Omit<FactsReport, "facts">, nowMs: number): Pick<Result, "facts"> {
  const facts = boundFacts(ran.facts);
  const digest = digestOf(facts);
  if (digest === request.facts.digest || (request.facts.digest !== "" && !isDue(nowMs, request.facts.atMs, FACTS_PAUSE_MS))) return {};
  return { facts: { digest, envelope: signFacts({ ...ids, facts }, desired.keys.signingKey) } };
}

/** Custom facts are the part that can be of any size: without them rather than not at all, and it says so. */
function boundFacts(raw: Readonly<Record<string, FactValue>>): Readonly<Record<string, FactValue>> {
  const facts = mendText(raw) as Readonly<Record<string, FactValue>>;
  const bytes = utf8(JSON.stringify(facts)).byteLength;
  if (bytes <= PAYLOAD_BYTES_MAX.facts - 1_024) return facts;
  const { custom: _large, ...rest } = facts;
  return { ...rest, errors: { facts: `left out: ${bytes} bytes are above the limit` } };
}

/** What is signed is well-formed Unicode; what a program printed need not be. */
function mendText(value: FactValue): FactValue {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map((item: FactValue) => mendText(item));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name.toWellFormed(), mendText(inner)]));
  return value;
}

function reported(ran: Ran): Report["resources"] {
  const resources: Report["resources"] = [];
  let bytes = 0;
  for (const { id, outcome, reason } of worstFirst(ran)) {
    const entry = { id: clip(id, 256), outcome, reason: clip(reason, 512) };
    bytes += utf8(JSON.stringify(entry)).byteLength;
    if (resources.length >= REPORTED_MAX || bytes > REPORTED_BYTES_MAX) break;
    resources.push(entry);
  }
  return resources;
}

function worstFirst(ran: Ran): Report["resources"] {
  return (ran.result?.outcomes ?? []).filter(({ outcome }) => outcome !== "unchanged").toSorted((a, b) => weight(b.outcome) - weight(a.outcome));
}

/** Cut, and never in the middle of a character. */
function clip(text: string, max: number): string {
  return text.slice(0, max).toWellFormed();
}

function weight(outcome: Report["resources"][number]["outcome"]): number {
  return { failed: 5, skipped: 4, waiting: 3, drifted: 2, changed: 1, unchanged: 0 }[outcome];
}

/** A clock that went back makes everything due rather than nothing for years. */
function isDue(nowMs: number, lastMs: number, everyMs: number): boolean {
  return nowMs - lastMs >= everyMs || nowMs < lastMs;
}

function firstFault(result: ConvergeResult): string {
  if (result.rendered.ok) return "";
  const [first] = result.rendered.faults;
  if (first === undefined) return "it does not render";
  const more = result.rendered.faults.length - 1;
  return clip(`${first.file}${first.line === undefined ? "" : `:${first.line}`}: ${first.message}${more > 0 ? ` (and ${more} more)` : ""}`, 1_024);
}

function digestOf(value: unknown): string {
  return sha256Hex(utf8(JSON.stringify(value)));
}
