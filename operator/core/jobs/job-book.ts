import { concat, fromBase64 } from "../../../shared/core/bytes.ts";
import type { OpTargetItem, TargetState } from "../../../shared/protocol/api/ops.ts";
import type { ReturnPayload } from "../../../shared/trust/payloads.ts";
import type { Verdict } from "../../../shared/trust/verdict.ts";

/**
 * One job as the operator may believe it. What a host did is said by that host's own signature alone; the hub's word is taken only for what
 * nobody signs: that nothing came. A hub that says "returned" without a signed answer has said nothing.
 */
export type Outcome = "ok" | "failed" | "refused" | "busy" | "interrupted" | "cancelled" | "expired" | "silent" | "unverified" | "running" | "waiting";

export interface Answer {
  readonly state: Exclude<ReturnPayload["state"], "running">;
  readonly atMs: number;
  readonly code: string | undefined;
  readonly detail: string | undefined;
  readonly exit: number | null | undefined;
  readonly signal: string | undefined;
  readonly durationMs: number | undefined;
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  /** The box dropped what was above the op's cap. */
  readonly truncated: boolean;
  /** Parts that the hub did not give, or output above what is kept here. */
  readonly incomplete: boolean;
  readonly data: unknown;
  readonly log: ReturnPayload["log"];
}

export interface HostBook {
  readonly hostId: string;
  readonly name: string;
  readonly outcome: Outcome;
  readonly answer: Answer | undefined;
  /** Why what came is not believed. */
  readonly unverified: string | undefined;
  readonly lastSeenMs: number | null;
  readonly sinceMs: number;
  /** The hub's own word, also where it is not believed. */
  readonly hubState: TargetState | undefined;
  readonly code: string | null;
}

interface Entry {
  hostId: string;
  name: string;
  hub: OpTargetItem | undefined;
  parts: Map<number, { stdout: Uint8Array; stderr: Uint8Array }>;
  kept: number;
  final: ReturnPayload | undefined;
  overflow: boolean;
  started: boolean;
  unverified: string | undefined;
}

/** Of one host's output, and of all hosts together: what is beyond is not kept, and the screen says so. */
const HOST_BYTES_MAX = 40 * 1_024 * 1_024;
const JOB_BYTES_MAX = 256 * 1_024 * 1_024;
const PARTS_MAX = 20_000;

export type Heard = "started" | "final" | "more" | "again" | "unverified";

export class JobBook {
  readonly #entries = new Map<string, Entry>();
  readonly #bytesMax: number;
  #bytes = 0;

  constructor(bytesMax = JOB_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** A host that is meant, by its verified name. */
  expect(hostId: string, name: string): void {
    this.#entry(hostId, name);
  }

  /** What the hub says of one target. A name that was verified stays. */
  told(item: OpTargetItem): void {
    this.#entry(item.host_id, item.name).hub = item;
  }

  heard(hostId: string, name: string, verdict: Verdict<ReturnPayload>): Heard {
    const entry = this.#entry(hostId, name);
    if (!verdict.ok) {
      entry.unverified ??= `${verdict.refusal}${verdict.detail === "" ? "" : `, ${verdict.detail}`}`;
      return "unverified";
    }
    // Only a verified certificate's name replaces what the hub calls it.
    entry.name = name;
    const value = verdict.value;
    if (value.state !== "running" && entry.final !== undefined) return "again";
    this.#keep(entry, value);
    if (value.state !== "running") {
      entry.final = value;
      return "final";
    }
    const first = !entry.started;
    entry.started = true;
    return first ? "started" : "more";
  }

  hosts(): readonly HostBook[] {
    return [...this.#entries.values()]
      .map((entry) => bookOf(entry))
      .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.hostId < b.hostId ? -1 : 1));
  }

  host(hostId: string): HostBook | undefined {
    const entry = this.#entries.get(hostId);
    return entry === undefined ? undefined : bookOf(entry);
  }

  /** Without putting any output together: for a line that is drawn often. */
  counts(): Readonly<Record<Outcome, number>> {
    const counts = { ok: 0, failed: 0, refused: 0, busy: 0, interrupted: 0, cancelled: 0, expired: 0, silent: 0, unverified: 0, running: 0, waiting: 0 };
    for (const entry of this.#entries.values()) counts[outcomeOf(entry)] += 1;
    return counts;
  }

  get size(): number {
    return this.#entries.size;
  }

  #entry(hostId: string, name: string): Entry {
    const found = this.#entries.get(hostId);
    if (found !== undefined) return found;
    const made: Entry = { hostId, name, hub: undefined, parts: new Map(), kept: 0, final: undefined, overflow: false, started: false, unverified: undefined };
    this.#entries.set(hostId, made);
    return made;
  }

  #keep(entry: Entry, { part, stdout, stderr }: ReturnPayload): void {
    if (entry.parts.has(part)) return;
    const [out, err] = [bytesOf(stdout), bytesOf(stderr)];
    const size = out.byteLength + err.byteLength;
    if (entry.parts.size >= PARTS_MAX || entry.kept + size > HOST_BYTES_MAX || this.#bytes + size > this.#bytesMax) {
      entry.overflow = true;
      return;
    }
    entry.kept += size;
    this.#bytes += size;
    entry.parts.set(part, { stdout: out, stderr: err });
  }
}

const EMPTY = new Uint8Array();
const bytesOf = (text: string | undefined): Uint8Array => (text === undefined ? EMPTY : (fromBase64(text) ?? EMPTY));

function outcomeOf({ final, hub, unverified, started }: Entry): Outcome {
  if (final !== undefined && final.state !== "running") return final.state === "done" ? "ok" : final.state;
  if (unverified !== undefined) return "unverified";
  switch (hub?.state) {
    case "silent":
    case "expired":
    case "cancelled":
      return hub.state;
    case "returned":
    case "failed":
    case "refused":
    case "busy":
      return "unverified";
    case "running":
      return "running";
    default:
      return started ? "running" : "waiting";
  }
}

function bookOf(entry: Entry): HostBook {
  const { hub } = entry;
  const outcome = outcomeOf(entry);
  return {
    hostId: entry.hostId,
    name: entry.name,
    outcome,
    answer: answerOf(entry),
    unverified:
      entry.unverified ?? (outcome === "unverified" ? `the hub says ${hub?.state ?? "nothing"}, and gives no answer that the host signed` : undefined),
    lastSeenMs: hub?.last_seen_at ?? null,
    sinceMs: hub?.since ?? 0,
    hubState: hub?.state,
    code: hub?.code ?? null,
  };
}

function answerOf({ final, parts, overflow }: Entry): Answer | undefined {
  if (final === undefined || final.state === "running") return undefined;
  const ordered = [...parts].toSorted(([a], [b]) => a - b);
  return {
    state: final.state,
    atMs: final.at,
    code: final.code,
    detail: final.detail,
    exit: final.exit,
    signal: final.signal,
    durationMs: final.duration_ms,
    stdout: concat(...ordered.map(([, { stdout }]) => stdout)),
    stderr: concat(...ordered.map(([, { stderr }]) => stderr)),
    truncated: final.truncated === true,
    incomplete: overflow || ordered.length <= final.part,
    data: final.data,
    log: final.log,
  };
}
