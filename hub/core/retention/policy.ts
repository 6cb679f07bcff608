/**
 * What the hub forgets, and when. Only stories are forgotten: events, old audit rows behind an anchor, answers kept for retries, dead
 * sessions, old bundles that nobody enforces, ops that are long over. What a disaster is recovered from is not in this table and no code here can
 * name it: roots, host certificates, admissions, grants, desired specs, credentials, the current bundle and every bundle in force
 * with its blobs, the audit head.
 *
 * Age is judged by a wall clock that may jump, so each limit by age spares the newest `rowsMin`: a clock one year ahead costs old
 * stories, never all of them.
 */
import type { EVENT_KINDS } from "../../../shared/protocol/api/fleet.ts";

type EventKind = (typeof EVENT_KINDS)[number];

export interface Keep {
  readonly rowsMax: number;
  readonly rowsMin: number;
  readonly ageMs: number;
}

const DAY_MS = 86_400_000;
const ROUTINE: Keep = { rowsMax: 100_000, rowsMin: 1_000, ageMs: 14 * DAY_MS };
const NOTABLE: Keep = { rowsMax: 100_000, rowsMin: 5_000, ageMs: 90 * DAY_MS };
const RARE: Keep = { rowsMax: 50_000, rowsMin: 5_000, ageMs: 400 * DAY_MS };

export const KEEP_EVENTS = {
  "host.enroll-requested": NOTABLE,
  "host.approved": RARE,
  "host.rejected": RARE,
  "host.revoked": RARE,
  "host.relabelled": RARE,
  "host.stale": NOTABLE,
  "host.down": NOTABLE,
  "host.recovered": NOTABLE,
  "host.cloned": RARE,
  "host.rolled-back": RARE,
  "host.changed": ROUTINE,
  "host.drifted": NOTABLE,
  "host.failed": NOTABLE,
  "host.degraded": NOTABLE,
  "host.converged": ROUTINE,
  "host.spec-edited": RARE,
  "bundle.published": RARE,
  "root.rotated": RARE,
  "grant.created": RARE,
  "grant.revoked": RARE,
  "op.drafted": NOTABLE,
  "op.queued": NOTABLE,
  "op.stopped": NOTABLE,
  "op.failed": NOTABLE,
  "op.refused": NOTABLE,
  "op.finished": NOTABLE,
  "hub.started": NOTABLE,
  "hub.restored": RARE,
  "hub.limit-hit": ROUTINE,
  "agent.event": ROUTINE,
} as const satisfies Record<EventKind, Keep>;

export const KEEP_AUDIT: Keep = { rowsMax: 1_000_000, rowsMin: 100_000, ageMs: 800 * DAY_MS };
/** Besides the current one and every one in force. */
export const KEEP_BUNDLES: Keep = { rowsMax: 500, rowsMin: 20, ageMs: 180 * DAY_MS };
/** Ops that are over, with their targets and returns. One that is not over is never in question. */
export const KEEP_OPS: Keep = { rowsMax: 100_000, rowsMin: 1_000, ageMs: 180 * DAY_MS };
/** The hub's copy of the boxes' own logs outlives what it tells of: an audit compares it with the box, whose copy a thief may have cut. */
export const KEEP_OP_LOG_MS = 800 * DAY_MS;
/** Answers to an op that never came here. */
export const KEEP_UNKNOWN_RETURNS_MS = 90 * DAY_MS;
/** A blob that no bundle names may be the first half of a publish. */
export const KEEP_UNNAMED_BLOB_MS = 7 * DAY_MS;
