/**
 * Every mutation of the operator API runs through here: one transaction holds the deed, its one audit row, its events and, where the
 * caller gave an `idempotency-key`, the answer for a repeat. A refusal leaves one audit row too, with the code of what refused it, but
 * only when somebody with a credential asked: rows must not be free to write for strangers.
 */
import { utf8 } from "../../../../shared/core/bytes.ts";
import { Fault, isFault } from "../../../../shared/core/fault.ts";
import { sha256Hex } from "../../../../shared/core/sha256.ts";
import { actorOf, type Principal } from "../../../core/access/capability.ts";
import type { Hub } from "../../hub.ts";
import { appendAudit } from "../../store/audit.ts";
import { findReply, IDEMPOTENCY_KEY, type IdempotencyId, storeReply } from "../../store/idempotency.ts";
import type { Tx } from "../../store/store.ts";
import type { RouteCall } from "../route.ts";

export interface Deed {
  /** `grant.create`: noun, dot, verb. */
  readonly action: string;
  readonly target: string;
}

export interface Done {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** What the audit row says beyond action and target. Absent: nothing changed (a repeat), so there is no row. */
  readonly audit?: Readonly<Record<string, string | number | boolean | null>>;
  /** When only the deed tells what it was done to. */
  readonly target?: string;
}

export interface MutationOptions {
  /** A reply with a secret in it is never stored: a repeat is told so instead. */
  readonly secret?: boolean;
  /** Who did it, when the credential does not say (setup, login). */
  readonly actor?: string;
}

/** `body` is synchronous and runs inside the transaction; what it throws undoes all of it. */
export async function mutate(
  hub: Hub,
  call: RouteCall,
  deed: Deed,
  body: (tx: Tx, nowMs: number) => Done,
  options: MutationOptions = {},
): Promise<Omit<Done, "audit" | "target">> {
  const nowMs = hub.world.clock.wallMs();
  const actor = options.actor ?? actorOf(call.principal);
  const id = idempotencyOf(call, actor);
  const bodySha256 = sha256Hex(utf8(JSON.stringify(call.body ?? null)));
  try {
    return await hub.store.write(deed.action, (tx) => {
      const before = id === undefined ? undefined : replay(tx, id, bodySha256, nowMs);
      if (before !== undefined) return before;
      const { audit, target, ...reply } = body(tx, nowMs);
      if (audit !== undefined) appendAudit(tx.db, { at: nowMs, actor, from: call.address, action: deed.action, target: target ?? deed.target, data: audit });
      const kept = options.secret === true ? SECRET : JSON.stringify({ body: reply.body, headers: reply.headers });
      if (id !== undefined) storeReply(tx.db, id, { body_sha256: bodySha256, status: reply.status, reply: kept }, nowMs);
      return reply;
    });
  } catch (error) {
    if (isFault(error) && isSomebody(call.principal) && error.status < 500) await recordRefusal(hub, { at: nowMs, actor, from: call.address, ...deed }, error);
    throw error;
  }
}

const SECRET = "";

function idempotencyOf(call: RouteCall, actor: string): IdempotencyId | undefined {
  const key = call.request.headers.get("idempotency-key");
  if (key === null) return undefined;
  if (!IDEMPOTENCY_KEY.test(key)) throw new Fault("bad_request", "Cannot use this idempotency-key: it is not 8 to 64 letters, digits, - or _");
  return { actor, route: `${call.request.method} ${new URL(call.request.url).pathname}`, key };
}

function replay(tx: Tx, id: IdempotencyId, bodySha256: string, nowMs: number): Omit<Done, "audit" | "target"> | undefined {
  const stored = findReply(tx.db, id, nowMs);
  if (stored === undefined) return undefined;
  if (stored.body_sha256 !== bodySha256) throw new Fault("conflict", "Cannot use this idempotency-key again: it came with another body before");
  if (stored.reply === SECRET)
    throw new Fault("conflict", "Cannot repeat this answer: it held a secret that is shown once", { remedy: "Revoke what was made and make another" });
  const reply: Pick<Done, "body" | "headers"> = JSON.parse(stored.reply);
  return { status: stored.status, body: reply.body, headers: { ...reply.headers, "idempotency-replayed": "true" } };
}

function isSomebody(principal: Principal): boolean {
  return principal.is === "session" || principal.is === "token";
}

async function recordRefusal(hub: Hub, deed: Deed & { readonly at: number; readonly actor: string; readonly from: string }, fault: Fault): Promise<void> {
  const outcome = String(fault.facts["refusal"] ?? fault.code);
  try {
    await hub.store.write("audit.refusal", (tx) => {
      appendAudit(tx.db, { ...deed, outcome, data: {} });
    });
  } catch (error) {
    // Nothing was changed, so nothing is missing from the log but the attempt; the caller is told what refused him, not this.
    hub.world.log.event("warn", "audit.not_recorded", { action: deed.action, outcome }, error);
  }
}
