/**
 * What changes an op at the hub. An op is known by its id and its bytes: the same bytes again are the same op, with what signatures
 * both brought; other bytes under a known id are refused. Signatures that do not count for the op's class are left out, because a
 * box refuses an op on which a known key's signature is wrong.
 */
import { Fault } from "../../../../shared/core/fault.ts";
import { one } from "../../../../shared/protocol/api/page.ts";
import { opDraft, opItem, opSignature, opUpload, type Pacing, pacing as pacingSchema } from "../../../../shared/protocol/api/ops.ts";
import type { Envelope } from "../../../../shared/protocol/fields.ts";
import { openEnvelope } from "../../../../shared/trust/envelope.ts";
import { payloadType } from "../../../../shared/trust/payloads.ts";
import { accept, refuse, type Verdict } from "../../../../shared/trust/verdict.ts";
import { isCollecting, isFinalOp, OPEN_OPS_MAX, turnCollecting } from "../../../core/ops/op-state.ts";
import { actorOf } from "../../../core/access/capability.ts";
import type { Hub } from "../../hub.ts";
import { acceptOp, type IncomingOp, isEnough, readIncoming, targetKeyOf } from "../../ops/accept-op.ts";
import { cancelOp } from "../../ops/cancel-op.ts";
import { resolveTarget } from "../../ops/resolve-target.ts";
import { appendEvent } from "../../store/events.ts";
import { markReturnsKnown } from "../../store/op-returns.ts";
import { countOpenOps, findOp, insertOp, opEnvelope, type OpRow, replaceOpEnvelope } from "../../store/ops.ts";
import type { Tx } from "../../store/store.ts";
import { orRefuse } from "../../trust/refused.ts";
import { defineRoute, type Route, type RouteCall } from "../route.ts";
import { fleetRoot } from "./fleet-root.ts";
import { type Done, mutate } from "./mutation.ts";
import { opItemOf, signedParts } from "./op-item.ts";
import { oneBody } from "./reply.ts";

/** A payload of 1 MiB in base64, its signatures, and JSON around them. */
const UPLOAD_BYTES_MAX = 2 * 1024 * 1024;
const SIGNATURE_BYTES_MAX = 1_024;

export function opEditRoutes(hub: Hub): readonly Route[] {
  return [uploadRoute(hub), draftRoute(hub), signRoute(hub), cancelRoute(hub)];
}

interface Offered {
  readonly incoming: Verdict<IncomingOp>;
  /** Whom it means, when its signatures are enough. */
  readonly hosts: readonly string[];
  readonly pacing: Pacing | undefined;
  readonly note: string | undefined;
}

function uploadRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/ops",
      capability: "op.write",
      summary: "Queue a signed op, or keep it until enough keys signed; the same bytes again are the same op",
      bodyBytesMax: UPLOAD_BYTES_MAX,
      body: opUpload,
      replies: { 201: { what: "It is queued, or waits for signatures", schema: one("Op", opItem) }, 200: { what: "It was known", schema: one("Op", opItem) } },
      errors: ["conflict", "refused", "unavailable"],
    },
    async (call) => {
      const opened = openEnvelope(call.body.envelope, "op");
      const read = opened.ok
        ? await offer(hub, call.body.envelope, call.body.pacing, undefined)
        : { incoming: opened, hosts: [], pacing: undefined, note: undefined };
      // Without one signature that counts it is not an upload but a draft, and says so.
      const incoming =
        read.incoming.ok && !read.incoming.value.isUnsigned && read.incoming.value.standing.signers.length === 0
          ? nobodySigned(read.incoming.value)
          : read.incoming;
      return mutate(hub, call, { action: "op.upload", target: "op" }, (tx, nowMs) => take(hub, tx, call, { ...read, incoming }, nowMs));
    },
  );
}

const nobodySigned = ({ standing }: IncomingOp): Verdict<IncomingOp> => refuse("key_unknown", `no signature by a key with role ${standing.role} verifies`);

function draftRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/ops/drafts",
      capability: "op.write",
      summary: "Keep an unsigned op until somebody signs it",
      bodyBytesMax: UPLOAD_BYTES_MAX,
      body: opDraft,
      replies: { 201: { what: "It waits for signatures", schema: one("Op", opItem) }, 200: { what: "It was known", schema: one("Op", opItem) } },
      errors: ["conflict", "refused", "unavailable"],
    },
    async (call) => {
      const { payload, pacing, note } = call.body;
      const read = await offer(hub, { payload, payloadType: payloadType("op"), signatures: [] }, pacing, note);
      return mutate(hub, call, { action: "op.draft", target: "op" }, (tx, nowMs) => take(hub, tx, call, read, nowMs));
    },
  );
}

function signRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/ops/{op_id}/signatures",
      capability: "op.write",
      summary: "Add one signature; with the last one that its class needs the op is queued",
      bodyBytesMax: SIGNATURE_BYTES_MAX,
      body: opSignature,
      replies: { 200: { what: "The op as it stands", schema: one("Op", opItem) } },
      errors: ["not_found", "conflict", "refused"],
    },
    async (call) => {
      const opId = call.params["op_id"] ?? "";
      const { keyid, sig } = call.body;
      const known = await hub.store.read((db) => {
        const row = findOp(db, opId);
        return row === undefined ? undefined : { row, parts: signedParts(opEnvelope(db, row.op_seq)) };
      });
      if (known === undefined)
        throw new Fault("not_found", `Cannot sign op ${JSON.stringify(opId.slice(0, 32))}: there is none with this id`, { remedy: "felhom op list" });
      const signatures = [...known.parts.signatures.filter((other) => other.keyid !== keyid), { keyid, sig }];
      const pacing = known.row.pacing === null ? undefined : pacingSchema.parse(JSON.parse(known.row.pacing));
      const read = await offer(hub, { ...known.parts, signatures }, pacing, undefined);
      return mutate(hub, call, { action: "op.sign", target: `op ${opId}` }, (tx, nowMs) => {
        const row = findOp(tx.db, opId);
        const isThere = row !== undefined && signedParts(opEnvelope(tx.db, row.op_seq)).signatures.some((other) => other.keyid === keyid && other.sig === sig);
        if (isThere) return doneWith(tx, 200, opId, undefined);
        if (row !== undefined && isFinalOp(row.state)) throw new Fault("conflict", `Cannot sign op ${opId}: it is ${row.state}`);
        const incoming = orRefuse("op", read.incoming);
        const counts = incoming.standing.signers.some((signer) => signer === keyid);
        if (!counts) orRefuse("signature", refuse(roleHas(hub, incoming, keyid) ? "signature_bad" : "key_unknown", `by ${keyid}`));
        return take(hub, tx, call, read, nowMs);
      });
    },
  );
}

const roleHas = (hub: Hub, { standing }: IncomingOp, keyid: string): boolean => fleetRoot(hub).payload.roles[standing.role].keys.some((key) => key === keyid);

function cancelRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/ops/{op_id}/cancel",
      capability: "op.write",
      summary: "Cancel an op: what no box was given ends now, what a box may have is asked back",
      bodyBytesMax: 0,
      replies: { 200: { what: "The op as it stands", schema: one("Op", opItem) } },
      errors: ["not_found", "conflict"],
    },
    async (call) => {
      const opId = call.params["op_id"] ?? "";
      return mutate(hub, call, { action: "op.cancel", target: `op ${opId.slice(0, 32)}` }, (tx, nowMs) => {
        const row = findOp(tx.db, opId);
        if (row === undefined)
          throw new Fault("not_found", `Cannot cancel op ${JSON.stringify(opId.slice(0, 32))}: there is none with this id`, { remedy: "felhom op list" });
        if (row.cancelled_by !== null) return { status: 200, body: oneBody("Op", opItemOf(tx.db, row)) };
        if (isFinalOp(row.state)) throw new Fault("conflict", `Cannot cancel op ${opId}: it is ${row.state}`);
        cancelOp(hub, tx, row, actorOf(call.principal), nowMs);
        return { status: 200, body: oneBody("Op", opItemOf(tx.db, findOp(tx.db, opId) ?? row)), audit: { op: row.kind, state: row.state } };
      });
    },
  );
}

/** Read before the transaction: signatures and a whole fleet's labels take their time. */
async function offer(hub: Hub, envelope: Envelope, pacing: Pacing | undefined, note: string | undefined): Promise<Offered> {
  const incoming = readIncoming(envelope, fleetRoot(hub), hub.world.clock.wallMs());
  const hosts = incoming.ok && isEnough(incoming.value) ? await resolveTarget(hub, incoming.value.draft.payload.target) : [];
  return { incoming, hosts, pacing, note };
}

/** Inside the transaction: new, or known and perhaps with one signature more. */
function take(hub: Hub, tx: Tx, call: RouteCall, offered: Offered, nowMs: number): Done {
  const incoming = orRefuse("op", offered.incoming);
  const { payload, sha256 } = incoming.draft;
  const known = findOp(tx.db, payload.id);
  if (known === undefined) return takeNew(hub, tx, call, offered, incoming, nowMs);
  if (known.sha256 !== sha256) throw new Fault("conflict", `Cannot take op ${payload.id}: another one has this id`);
  return takeKnown(hub, tx, offered, incoming, known, nowMs);
}

function takeNew(hub: Hub, tx: Tx, call: RouteCall, offered: Offered, incoming: IncomingOp, nowMs: number): Done {
  const { draft, standing, envelope } = incoming;
  const { payload } = draft;
  const open = countOpenOps(tx.db).reduce((sum, { count }) => sum + count, 0);
  if (open >= OPEN_OPS_MAX)
    throw new Fault("unavailable", `Cannot take op ${payload.id}: ${open} ops are not over yet`, {
      remedy: "Cancel what is no longer wanted: felhom op cancel",
    });
  const by = actorOf(call.principal);
  const opSeq = insertOp(tx.db, {
    op_id: payload.id,
    kind: payload.kind,
    class: draft.class,
    state: standing.signers.length > 0 ? "pending" : "draft",
    sha256: draft.sha256,
    target_key: targetKeyOf(draft),
    drafted_by: by,
    note: offered.note ?? null,
    created_at: nowMs,
    expires_at: payload.expires_at,
    pacing: offered.pacing === undefined ? null : JSON.stringify(offered.pacing),
    due_at: payload.expires_at,
    envelope: JSON.stringify(envelope),
  });
  markReturnsKnown(tx.db, payload.id);
  if (isEnough(incoming)) queue(hub, tx, opSeq, offered, incoming, nowMs);
  else {
    const needs = standing.threshold - standing.signers.length;
    appendEvent(tx.db, {
      at: nowMs,
      kind: "op.drafted",
      data: { op_id: payload.id, op: payload.kind, class: draft.class, by, needs, note: offered.note ?? null },
    });
  }
  return doneWith(tx, 201, payload.id, {
    op: payload.kind,
    class: draft.class,
    hosts: offered.hosts.length,
    signers: standing.signers.join(" "),
    sha256: draft.sha256,
  });
}

function takeKnown(hub: Hub, tx: Tx, offered: Offered, incoming: IncomingOp, known: OpRow, nowMs: number): Done {
  const opId = known.op_id;
  if (!isCollecting(known.state)) return doneWith(tx, 200, opId, undefined);
  const before = signedParts(opEnvelope(tx.db, known.op_seq));
  const missing = before.signatures.filter(({ keyid }) => !incoming.envelope.signatures.some((other) => other.keyid === keyid));
  // Somebody else signed between the look and this transaction: both count, and are looked at together.
  const merged = missing.length === 0 ? incoming : orRefuse("op", remerged(hub, incoming, missing, nowMs));
  if (merged.envelope.signatures.length === before.signatures.length) return doneWith(tx, 200, opId, undefined);
  const { signers, threshold } = merged.standing;
  const turn = turnCollecting({ at: known.state, expiresAtMs: known.expires_at }, { on: "counted", signers: signers.length, threshold }, nowMs);
  replaceOpEnvelope(tx.db, known.op_seq, JSON.stringify(merged.envelope), turn.is === "collecting" ? turn.state.at : known.state);
  if (turn.is === "accepted") {
    if (!isEnough(incoming)) throw new Fault("conflict", `Cannot add to op ${opId}: another signature came at the same moment`, { remedy: "Send it again" });
    queue(hub, tx, known.op_seq, { ...offered, pacing: offered.pacing ?? pacingOf(known) }, merged, nowMs);
  }
  tx.afterCommit(() => hub.jobs.changed(opId));
  return doneWith(tx, 200, opId, { op: known.kind, class: known.class, hosts: offered.hosts.length, signers: signers.join(" "), sha256: known.sha256 });
}

function remerged(hub: Hub, incoming: IncomingOp, missing: Envelope["signatures"], nowMs: number): Verdict<IncomingOp> {
  return readIncoming({ ...incoming.envelope, signatures: [...missing, ...incoming.envelope.signatures] }, fleetRoot(hub), nowMs);
}

function pacingOf(row: OpRow): Pacing | undefined {
  return row.pacing === null ? undefined : pacingSchema.parse(JSON.parse(row.pacing));
}

function queue(hub: Hub, tx: Tx, opSeq: number, { hosts, pacing }: Pick<Offered, "hosts" | "pacing">, incoming: IncomingOp, nowMs: number): void {
  orRefuse("op", hosts.length === 0 ? refuse("op_target_mismatch", "no host here is meant by it") : accept(hosts));
  acceptOp(hub, tx, opSeq, incoming.draft, hosts, pacing, nowMs);
}

function doneWith(tx: Tx, status: number, opId: string, audit: Done["audit"]): Done {
  const row = findOp(tx.db, opId);
  if (row === undefined) throw new Fault("db_failed", `Cannot read op ${opId}: it is not in the database`);
  return { status, body: oneBody("Op", opItemOf(tx.db, row)), target: `op ${opId}`, ...(audit === undefined ? {} : { audit }) };
}
