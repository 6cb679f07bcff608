/**
 * Signed records of boxes that no network reached, carried here by somebody. Whose a record is, and what it says, is read from under its
 * signature alone: the carrier is named in the audit log and believed in nothing. From there on it is what the same record out of a box's
 * outbox is: stored once, its host's row turned, its job with it. A carried record is no sign of life: it says when the box wrote it.
 *
 * A batch is taken whole or not at all, so that the answer to it is one sentence; whoever has a bad one among many sends them singly.
 */
import { fromBase64 } from "../../../../shared/core/bytes.ts";
import { one } from "../../../../shared/protocol/api/page.ts";
import { type CarriedReturns, carriedReturns, returnsUpload } from "../../../../shared/protocol/api/ops.ts";
import type { Envelope } from "../../../../shared/protocol/fields.ts";
import type { HostIdentity } from "../../../../shared/trust/host-identity.ts";
import { verifyReturn } from "../../../../shared/trust/op.ts";
import { returnPayload } from "../../../../shared/trust/payloads.ts";
import { parseStrict } from "../../../../shared/trust/strict-json.ts";
import { accept, refuse, type Verdict } from "../../../../shared/trust/verdict.ts";
import type { Hub } from "../../hub.ts";
import { type ReadReturn, readReturn, storeReturn } from "../../ops/take-return.ts";
import { findSender } from "../../store/hosts.ts";
import type { Tx } from "../../store/store.ts";
import { identityOf } from "../../sync/outbox.ts";
import { orRefuse } from "../../trust/refused.ts";
import { defineRoute, type Route } from "../route.ts";
import { mutate } from "./mutation.ts";
import { oneBody } from "./reply.ts";

/** A payload of 1 MiB in base64 and JSON around it, or many small ones. */
const UPLOAD_BYTES_MAX = 2 * 1024 * 1024;
const NAMED_MAX = 20;

export function returnRoutes(hub: Hub): readonly Route[] {
  return [uploadRoute(hub)];
}

function uploadRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/returns",
      capability: "op.write",
      summary: "Take answers of boxes that somebody carried here; all of them verify, or none is taken",
      bodyBytesMax: UPLOAD_BYTES_MAX,
      body: returnsUpload,
      replies: {
        201: { what: "They count", schema: one("CarriedReturns", carriedReturns) },
        200: { what: "All of them were known", schema: one("CarriedReturns", carriedReturns) },
      },
      errors: ["refused", "unavailable"],
    },
    async (call) => {
      const read = await readAll(hub, call.body.envelopes);
      return mutate(hub, call, { action: "return.upload", target: "returns" }, (tx, nowMs) => {
        const { answers, ...item } = store(hub, tx, orRefuse("answer", read), nowMs);
        const body = oneBody("CarriedReturns", item);
        if (item.taken === 0) return { status: 200, body };
        return { status: 201, body, target: targetOf(answers), audit: { ...namesOf(answers), taken: item.taken, known: item.known } };
      });
    },
  );
}

interface Answered {
  readonly hostId: string;
  readonly opId: string;
}
type Carried = Answered & { readonly read: ReadReturn };

/** Signatures are looked at before the transaction: it is everybody's, and shall be short. */
async function readAll(hub: Hub, envelopes: readonly Envelope[]): Promise<Verdict<readonly Carried[]>> {
  const claimed = envelopes.map(claimedHost);
  const identities = await hub.store.read(
    (db) => new Map([...new Set(claimed)].map((hostId) => [hostId, hostId === undefined ? undefined : identityIn(hub, findSender(db, hostId))])),
  );
  const carried: Carried[] = [];
  for (const [at, envelope] of envelopes.entries()) {
    const identity = identities.get(claimed[at]) ?? refuse("key_unknown", "no host here has signed it");
    const one = identity.ok ? verified(envelope, identity.value) : identity;
    if (!one.ok) return refuse(one.refusal, `record ${at + 1} of ${envelopes.length}${one.detail === "" ? "" : `: ${one.detail}`}`);
    carried.push(one.value);
  }
  return accept(carried);
}

/** Whose key has to verify it: nothing else is read before it does. */
function claimedHost({ payload }: Envelope): string | undefined {
  const bytes = fromBase64(payload);
  const parsed = bytes === undefined ? undefined : parseStrict(returnPayload, bytes, "return");
  return parsed?.ok === true ? parsed.value.host_id : undefined;
}

function identityIn(hub: Hub, host: ReturnType<typeof findSender>): Verdict<HostIdentity> | undefined {
  if (host?.state === "revoked") return refuse("host_revoked", host.host_id);
  const identity = host === undefined ? undefined : identityOf(hub, host);
  return identity === undefined ? undefined : accept(identity);
}

/** Looked at for why it is refused, and then read as the outbox reads it. */
function verified(envelope: Envelope, identity: HostIdentity): Verdict<Carried> {
  const verdict = verifyReturn(envelope, identity);
  if (!verdict.ok) return verdict;
  return accept({ read: readReturn(envelope, identity), hostId: verdict.value.host_id, opId: verdict.value.op_id });
}

function store(hub: Hub, tx: Tx, carried: readonly Carried[], nowMs: number): CarriedReturns & { readonly answers: readonly Answered[] } {
  let known = 0;
  const taken: Answered[] = [];
  const missing = new Set<string>();
  for (const { hostId, opId, read } of carried) {
    const host = findSender(tx.db, hostId);
    // Revoked since its signature was looked at: nothing of it counts any more, and nothing of this batch is taken.
    if (host === undefined || host.state === "revoked") return orRefuse("answer", refuse("host_revoked", hostId));
    if (hub.jobs.answeredOp(tx, opId) === undefined) missing.add(opId);
    if (storeReturn(hub, tx, { hostId, name: host.name }, read, nowMs)) taken.push({ hostId, opId });
    else known += 1;
  }
  return { taken: taken.length, known, ops_missing: [...missing], answers: taken };
}

const distinct = (all: readonly string[]): readonly string[] => [...new Set(all)];
const targetOf = (answers: readonly Answered[]): string => {
  const [first, ...more] = distinct(answers.map(({ opId }) => opId));
  return first === undefined || more.length > 0 ? "returns" : `op ${first}`;
};
const namesOf = (answers: readonly Answered[]): Readonly<Record<string, string>> => ({
  hosts: some(distinct(answers.map(({ hostId }) => hostId))),
  ops: some(distinct(answers.map(({ opId }) => opId))),
});
/** An audit row is short; who wants all of them reads the returns. */
const some = (ids: readonly string[]): string =>
  ids.length <= NAMED_MAX ? ids.join(" ") : `${ids.slice(0, NAMED_MAX).join(" ")} and ${ids.length - NAMED_MAX} more`;
