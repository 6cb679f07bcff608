/**
 * Takes what boxes answer. The signature is looked at before the transaction (a courtesy to whoever reads a list: tools verify
 * again); inside it, the record is stored, its host's row turned and the job with it, in the very commit that acknowledges the box's
 * outbox. A record that does not verify, or speaks of other bytes than the op's, is stored and changes nothing else.
 *
 * Taking a record never throws for what is in it: one bad record must not keep a box from telling the rest.
 */
import type { TargetEvent } from "../../core/ops/target-state.ts";
import { turnTarget } from "../../core/ops/target-state.ts";
import { fromBase64, fromUtf8 } from "../../../shared/core/bytes.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import type { Envelope } from "../../../shared/protocol/fields.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import type { Crypto } from "../../../shared/ports/crypto.ts";
import { verifyReturn, verifyReturnAside } from "../../../shared/trust/op.ts";
import type { ReturnPayload } from "../../../shared/trust/payloads.ts";
import type { Verdict } from "../../../shared/trust/verdict.ts";
import type { Hub } from "../hub.ts";
import { appendEvent } from "../store/events.ts";
import { insertOpLog } from "../store/op-log.ts";
import { boundUnknownReturns, insertReturn } from "../store/op-returns.ts";
import type { AnsweredOp } from "../store/ops.ts";
import { findTarget, targetOf } from "../store/op-targets.ts";
import type { Tx } from "../store/store.ts";
import { type JobRun, leaveMove, storeTurned } from "./run-job.ts";

/** Records of ops that this hub does not know, per host. */
const UNKNOWN_KEPT = 1_000;
const DIGEST_CHARS = 24;
const OP_ID = /^o-[a-z2-7]{16}$/;

/** A record as the hub reads it: verified, or only what it claims to be about. */
export type ReadReturn =
  | { readonly is: "verified"; readonly payload: ReturnPayload; readonly text: string; readonly digest: string }
  | { readonly is: "unverified"; readonly opId: string; readonly refusal: string; readonly text: string; readonly digest: string };

export function readReturn(envelope: Envelope, identity: HostIdentity | undefined): ReadReturn {
  return judged(envelope, identity === undefined ? undefined : verifyReturn(envelope, identity));
}

/** The same, the signature looked at beside the event loop: what a thousand boxes send at once does not hold up the rest. */
export async function readReturnAside({ verify }: Crypto, envelope: Envelope, identity: HostIdentity | undefined): Promise<ReadReturn> {
  return judged(envelope, identity === undefined ? undefined : await verifyReturnAside(envelope, identity, verify));
}

function judged(envelope: Envelope, verdict: Verdict<ReturnPayload> | undefined): ReadReturn {
  const kept = { text: textOf(envelope), digest: envelope.signatures[0]?.sig.slice(0, DIGEST_CHARS) ?? "" };
  if (verdict === undefined) return { is: "unverified", opId: claimedOp(envelope), refusal: "no_fleet", ...kept };
  return verdict.ok ? { is: "verified", payload: verdict.value, ...kept } : { is: "unverified", opId: claimedOp(envelope), refusal: verdict.refusal, ...kept };
}

/** What an unverified record says it is about; empty when it says nothing that is an id. */
function claimedOp(envelope: Envelope): string {
  try {
    const said: unknown = JSON.parse(fromUtf8(fromBase64(envelope.payload) ?? new Uint8Array()));
    const id = typeof said === "object" && said !== null && "op_id" in said ? said.op_id : undefined;
    return typeof id === "string" && OP_ID.test(id) ? id : "";
  } catch {
    return "";
  }
}

export interface Answering {
  readonly hostId: string;
  readonly name: string;
}

/** Inside the transaction that acknowledges it. Says whether it was new here. */
export function storeReturn(hub: Hub, tx: Tx, host: Answering, read: ReadReturn, nowMs: number): boolean {
  const opId = read.is === "verified" ? read.payload.op_id : read.opId;
  const op = opId === "" ? undefined : hub.jobs.answeredOp(tx, opId);
  const isNew = insertReturn(tx.db, {
    op_id: opId,
    host_id: host.hostId,
    part: read.is === "verified" ? read.payload.part : 0,
    state: read.is === "verified" ? read.payload.state : "running",
    received_at: nowMs,
    verified: read.is === "verified" ? 1 : 0,
    is_known: op === undefined ? 0 : 1,
    digest: read.digest,
    envelope: read.text,
  });
  if (!isNew) return false;
  if (op === undefined) boundUnknownReturns(tx.db, host.hostId, UNKNOWN_KEPT);
  if (read.is === "unverified") noteUnverified(tx, host, { op_id: opId, code: read.refusal }, nowMs);
  else if (op !== undefined && op.sha256 !== read.payload.op_sha256) noteUnverified(tx, host, { op_id: opId, code: "op_mismatch" }, nowMs);
  else if (op !== undefined) applyReturn({ hub, tx, row: op, nowMs }, op, host, read.payload);
  tx.afterCommit(() => hub.jobs.changed(opId));
  return true;
}

function noteUnverified(tx: Tx, host: Answering, data: { readonly op_id: string; readonly code: string }, nowMs: number): void {
  appendEvent(tx.db, { at: nowMs, kind: "op.failed", host, data: { ...data, because: "its answer does not verify" } });
}

function applyReturn(run: JobRun, op: AnsweredOp, host: Answering, payload: ReturnPayload): void {
  const { tx, nowMs } = run;
  const row = findTarget(tx.db, op.op_seq, host.hostId);
  const event = eventOf(payload);
  // Not tracked: it found itself meant. Its record is kept and shown; there is nothing here to turn.
  if (row === undefined || event === undefined) return;
  const before = targetOf(row);
  const after = turnTarget(before, event, nowMs);
  if (after === before) return;
  storeTurned(run, row, before, after);
  if (after.at === "failed" || after.at === "refused") {
    appendEvent(tx.db, { at: nowMs, kind: after.at === "failed" ? "op.failed" : "op.refused", host, data: { op_id: op.op_id, op: op.kind, code: after.code } });
  }
  if (after.at !== before.at) leaveMove(run, { from: before.at, to: after.at, batch: row.batch });
}

/** A box that was given an op twice says so; its answer to the first is on its way, or was lost with a backup. That alone ends nothing. */
export function eventOf({ state, code }: Pick<ReturnPayload, "state" | "code">): TargetEvent | undefined {
  switch (state) {
    case "running":
      return { on: "part" };
    case "done":
      return { on: "answered", as: "returned", code: null };
    case "failed":
      return { on: "answered", as: "failed", code: code ?? null };
    case "interrupted":
      return { on: "answered", as: "failed", code: code ?? "interrupted" };
    case "refused":
      return code === "op_replayed" ? undefined : { on: "answered", as: "refused", code: code ?? null };
    case "busy":
    case "cancelled":
    case "expired":
      return { on: "answered", as: state, code: code ?? null };
  }
}

/** Only the members that DSSE knows are kept: what was not signed is not stored. */
function textOf({ payload, payloadType, signatures }: Envelope): string {
  return JSON.stringify({ payload, payloadType, signatures: signatures.map(({ keyid, sig }) => ({ keyid, sig })) });
}

/** Inside the same transaction: lines of the box's own log, as they came. */
export function storeOpLog(tx: Tx, hostId: string, entries: readonly string[], nowMs: number): void {
  for (const entry of entries) insertOpLog(tx.db, { host_id: hostId, seq: seqOf(entry), sha256: sha256Hex(utf8(entry)), received_at: nowMs, entry });
}

function seqOf(entry: string): number {
  try {
    const said: unknown = JSON.parse(entry);
    const seq = typeof said === "object" && said !== null && "seq" in said ? said.seq : undefined;
    return typeof seq === "number" && Number.isSafeInteger(seq) && seq >= 0 ? seq : 0;
  } catch {
    return 0;
  }
}
