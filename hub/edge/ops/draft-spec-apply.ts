/**
 * The destructive part of a spec, drafted: a box said that it holds an edit back, and the hub puts the op before the signers that would
 * let it through. Only what this hub's own spec wants is drafted, and only fields that the table calls destructive: a box that
 * claims anything else gets nothing. The box compares what was signed with what it holds, letter by letter, so nothing here is trusted.
 */
import * as z from "zod/mini";
import { base64, fromBase64, fromUtf8 } from "../../../shared/core/bytes.ts";
import { isHostId } from "../../../shared/core/ids.ts";
import { newOp } from "../../../shared/ops/new-op.ts";
import { heldText, SPEC_CLASSES } from "../../../shared/protocol/spec-classes.ts";
import { type HostSpec, hostSpec } from "../../../shared/protocol/spec.ts";
import { payloadType } from "../../../shared/trust/payloads.ts";
import { readDraft } from "../../../shared/trust/op.ts";
import { isCollecting, OPEN_OPS_MAX } from "../../core/ops/op-state.ts";
import type { Hub } from "../hub.ts";
import { appendEvent } from "../store/events.ts";
import { findHost, type Sender } from "../store/hosts.ts";
import { collectingOpsFor, countOpenOps, insertOp, opEnvelope, type OpRow, specApplyOpsFor } from "../store/ops.ts";
import type { Tx } from "../store/store.ts";
import { targetKeyOf } from "./accept-op.ts";
import { cancelOp } from "./cancel-op.ts";

/** Until then somebody has to have signed it. Afterwards the box's next word about it drafts it anew. */
const DRAFT_LIFETIME_MS = 7 * 86_400_000;
const KIND = "spec.apply";
/** Of one host, the newest: what was drafted by hand for other generations may lie between. */
const LOOKED_AT_MAX = 16;

/** As `desk.event` of an agent sends it: flat, the fields as JSON text. */
const claim = z.object({ event: z.literal("spec.awaiting_signature"), generation: z.int(), fields: z.string() });
const claimedFields = z.record(z.string(), z.object({ from: z.string(), to: z.string() }));
const specApplyPayload = z.object({ params: z.object({ generation: z.int() }) });

/** Inside the transaction that takes the box's outbox. The same generation twice is one draft; an older one is taken back. */
export function draftSpecApply(hub: Hub, tx: Tx, host: Pick<Sender, "host_id" | "name">, body: unknown, nowMs: number): void {
  const said = claim.safeParse(body);
  const { root } = hub.fleet;
  if (!said.success || root === undefined || !isHostId(host.host_id)) return;
  const { generation } = said.data;
  const row = findHost(tx.db, host.host_id);
  if (row === undefined) return;
  const spec = hostSpec.parse(JSON.parse(row.spec));
  const fields = wantedOnly(said.data.fields, spec);
  if (spec.generation !== generation || fields === undefined) return;
  const target = { host_id: host.host_id };
  const made = newOp(
    { fleetId: root.payload.fleet_id, kind: KIND, target, params: { generation, fields }, issuedAt: nowMs, lifetimeMs: DRAFT_LIFETIME_MS },
    hub.world.crypto,
  );
  const draft = made.ok ? readDraft(made.value.bytes, root) : made;
  if (!draft.ok) return;
  const targetKey = targetKeyOf(draft.value);
  if (isSettled(tx, targetKey, generation, nowMs)) return;
  const by = `host:${host.host_id}`;
  dropSpecDrafts(hub, tx, host.host_id, { before: generation, by }, nowMs);
  if (countOpenOps(tx.db).reduce((sum, { count }) => sum + count, 0) >= OPEN_OPS_MAX) return;
  const { payload, sha256, class: opClass, bytes } = draft.value;
  const note = `generation ${generation} of its spec waits for this`;
  insertOp(tx.db, {
    op_id: payload.id,
    kind: payload.kind,
    class: opClass,
    state: "draft",
    sha256,
    target_key: targetKey,
    drafted_by: by,
    note,
    created_at: nowMs,
    expires_at: payload.expires_at,
    pacing: null,
    due_at: payload.expires_at,
    envelope: JSON.stringify({ payload: base64(bytes), payloadType: payloadType("op"), signatures: [] }),
  });
  appendEvent(tx.db, {
    at: nowMs,
    kind: "op.drafted",
    host: { hostId: host.host_id, name: host.name },
    data: { op_id: payload.id, op: payload.kind, class: opClass, by, needs: root.payload.roles.destroy.threshold, note },
  });
}

/**
 * A box says it once a day for as long as it waits. It has its op, or somebody said no to it: then only another edit of the spec asks
 * again. One whose time has passed was answered by nobody.
 */
function isSettled(tx: Tx, targetKey: string, generation: number, nowMs: number): boolean {
  const newest = specApplyOpsFor(tx.db, targetKey, LOOKED_AT_MAX).find((row) => generationOf(tx, row) === generation);
  if (newest === undefined) return false;
  return newest.state === "cancelled" || (newest.is_open === 1 && (!isCollecting(newest.state) || newest.expires_at > nowMs));
}

/** A spec that has moved on: what was drafted for an older generation no box would take any more. */
export function dropSpecDrafts(hub: Hub, tx: Tx, hostId: string, { before, by }: { readonly before: number; readonly by: string }, nowMs: number): void {
  if (!isHostId(hostId)) return;
  for (const row of collectingOpsFor(tx.db, KIND, targetKeyOf({ payload: { target: { host_id: hostId } } })))
    if (generationOf(tx, row) < before) cancelOp(hub, tx, row, by, nowMs);
}

/** `undefined` when the box claims a difference that this hub's spec does not make, or none. */
function wantedOnly(text: string, spec: HostSpec): z.infer<typeof claimedFields> | undefined {
  const classes: Readonly<Record<string, "safe" | "held">> = SPEC_CLASSES;
  const wanted: Readonly<Record<string, unknown>> = spec;
  let parsed: ReturnType<typeof claimedFields.safeParse>;
  try {
    parsed = claimedFields.safeParse(JSON.parse(text));
  } catch {
    return undefined; // a box may send what it likes; there is nothing to draft
  }
  const names = Object.entries(parsed.data ?? {});
  const isWanted = names.length > 0 && names.every(([name, { to }]) => classes[name] === "held" && to === heldText(wanted[name]));
  return isWanted ? parsed.data : undefined;
}

function generationOf(tx: Tx, row: OpRow): number {
  const envelope: { readonly payload: string } = JSON.parse(opEnvelope(tx.db, row.op_seq) ?? '{"payload":""}');
  const bytes = fromBase64(envelope.payload);
  if (bytes === undefined || bytes.byteLength === 0) return 0;
  const parsed = specApplyPayload.safeParse(JSON.parse(fromUtf8(bytes)));
  return parsed.success ? parsed.data.params.generation : 0;
}
