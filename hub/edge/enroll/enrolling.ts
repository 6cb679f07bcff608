/**
 * How a box becomes a host, at the edge: challenge → signed request → pending, admitted or known → signed poll. Nothing is written
 * before the box has proven that it holds its key; everything after that is one transaction each. The hub decides nothing that an
 * operator's signature does not carry: what it admits by itself carries a grant.
 */
import { base32, fromBase64url, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { hmacSha256 } from "../../../shared/core/hmac.ts";
import type { ChallengeReply, EnrollAccepted, EnrollRequest, EnrollState } from "../../../shared/protocol/enroll.ts";
import type { Envelope } from "../../../shared/protocol/fields.ts";
import { openEnvelope } from "../../../shared/trust/envelope.ts";
import { type HostIdentity, verifyAdmission } from "../../../shared/trust/host-identity.ts";
import { readBoxKey, readPublicKey, sameKey, verifySignature } from "../../../shared/trust/keys.ts";
import { admissionPayload } from "../../../shared/trust/payloads.ts";
import { ROOT_CHAIN_MAX } from "../../../shared/trust/root.ts";
import { parseStrict } from "../../../shared/trust/strict-json.ts";
import { REFUSALS, refuse } from "../../../shared/trust/verdict.ts";
import { enrollmentWords } from "../../../shared/trust/words.ts";
import { decideRequest } from "../../core/enroll/decide-request.ts";
import { type Claim, CLOCK_SKEW_MS_MAX, judgeStatement, pollText } from "../../core/enroll/judge-statement.ts";
import { type Mac, makeChallenge, recallChallenge } from "../../core/login/challenge.ts";
import type { Hub } from "../hub.ts";
import { appendAudit } from "../store/audit.ts";
import {
  countPendingEnrollments,
  type EnrollmentRow,
  findEnrollment,
  insertEnrollment,
  pendingEnrollmentOf,
  renewEnrollment,
  undeliveredEnrollmentOf,
} from "../store/enrollments.ts";
import { appendEvent } from "../store/events.ts";
import { findGrant, redeemGrant } from "../store/grants.ts";
import { insertHostCredential } from "../store/host-credentials.ts";
import { findHost } from "../store/hosts.ts";
import { listRoots } from "../store/roots.ts";
import type { Tx } from "../store/store.ts";
import { revokedFault } from "../sync/revoked.ts";
import { storedEnvelope } from "../trust/load-root.ts";
import { orRefuse } from "../trust/refused.ts";
import { admitHost } from "./admit-host.ts";
import { type SealedCredential, sealCredential } from "./sealed-credential.ts";

export const POLL_MS = 5_000;
/** Challenges that good signatures used up within the last five minutes. */
const SPENT_MAX = 20_000;

interface Admitting {
  readonly identity: HostIdentity;
  readonly grant: Envelope;
  readonly admission: Envelope;
  readonly grantId: string;
}

export class Enrolling {
  readonly #hub: Hub;
  readonly #mac: Mac;
  /** Challenge id → when it would have ended. */
  readonly #spent = new Map<string, number>();
  /** Requests turned away because too many wait. */
  refusedFull = 0;

  constructor(hub: Hub) {
    this.#hub = hub;
    const key = hub.world.crypto.randomBytes(32);
    this.#mac = (text) => hmacSha256(key, utf8(text));
  }

  challenge(): ChallengeReply {
    const nowMs = this.#hub.world.clock.wallMs();
    const challenge = makeChallenge(this.#mac, this.#hub.world.crypto.randomBytes(16), nowMs);
    return { v: 1, challenge_id: challenge.id, nonce: challenge.nonce, expires_at: challenge.expiresAt, hub_time: nowMs };
  }

  async request(asked: EnrollRequest, address: string): Promise<EnrollAccepted> {
    const hub = this.#hub;
    if (hub.fleet.root === undefined)
      throw new Fault("unavailable", "Cannot enroll yet: this hub has no fleet", {
        remedy: "Run felhom login with --setup-token-file on your workstation first",
      });
    const claim = this.#prove(asked);
    const admitting = asked.admission === undefined ? undefined : await this.#checkAdmission(asked.admission, claim);
    // Sealing loads a library, so it is done before the transaction; a credential that is not needed is dropped unseen.
    const credential = await sealCredential(hub.world, claim.statement.box_key);
    const filed = await hub.store.write("enroll.request", (tx) => this.#settle(tx, { asked, address, claim, admitting, credential }));
    return { v: 1, request_id: filed, host_id: claim.hostId, words: [...enrollmentWords(claim.signingKey, claim.boxKey)], poll_ms: POLL_MS };
  }

  /** Up to the point where the box has proven its key and its challenge is used up. Nothing is written. */
  #prove(asked: EnrollRequest): Claim {
    const nowMs = this.#hub.world.clock.wallMs();
    for (const [id, endsAt] of this.#spent) if (endsAt <= nowMs) this.#spent.delete(id);
    const judgement = judgeStatement(asked, (id) => (this.#spent.has(id) ? undefined : recallChallenge(this.#mac, id, nowMs)?.nonce), nowMs);
    switch (judgement.is) {
      case "challenge-unknown":
        throw new Fault("challenge_unknown", "Cannot enroll: the challenge is unknown, used or expired", { remedy: "Ask for another challenge" });
      case "refused":
        return orRefuse("enrollment request", refuse(judgement.refusal, judgement.detail));
      case "clock-skew":
        throw clockSkew(judgement.boxMs, judgement.hubMs);
      case "proven": {
        if (this.#spent.size >= SPENT_MAX) throw new Fault("unavailable", "Cannot enroll now: too many boxes asked within five minutes");
        // Before the first await: of any number of racers with one challenge, one gets here.
        const { challenge_id } = judgement.claim.statement;
        this.#spent.set(challenge_id, recallChallenge(this.#mac, challenge_id, nowMs)?.expiresAt ?? nowMs);
        return judgement.claim;
      }
    }
  }

  async #checkAdmission(admission: Envelope, claim: Claim): Promise<Admitting> {
    const hub = this.#hub;
    const { root } = hub.fleet;
    if (root === undefined) throw new Fault("unavailable", "Cannot enroll yet: this hub has no fleet");
    const opened = orRefuse("admission", openEnvelope(admission, "admission"));
    // Only to find the grant: the signature is checked against it right after.
    const named = orRefuse("admission", parseStrict(admissionPayload, opened.payload, "admission"));
    const row = await hub.store.read((db) => findGrant(db, named.grant_id));
    if (row === undefined) throw grantRefused("unknown");
    const grant = storedEnvelope("grant", row.envelope);
    const identity = orRefuse("admission", verifyAdmission({ grant, admission, root, nowMs: hub.world.clock.wallMs() }));
    if (identity.hostId !== claim.hostId) orRefuse("admission", refuse("host_mismatch", `it names ${identity.hostId}`));
    if (!sameKey(identity.signingKey, claim.signingKey) || !sameKey(identity.boxKey, claim.boxKey))
      orRefuse("admission", refuse("key_mismatch", "it is not for the keys that ask"));
    return { identity, grant, admission, grantId: row.grant_id };
  }

  /** Inside the transaction: the standing is read and changed in one. Returns the request's id. */
  #settle(tx: Tx, filing: Filing): string {
    const hub = this.#hub;
    const { claim, admitting, address, asked } = filing;
    const nowMs = hub.world.clock.wallMs();
    const host = findHost(tx.db, claim.hostId);
    const boxKey = claim.statement.box_key;
    const decision = decideRequest({
      host: host === undefined ? undefined : { state: host.state, sameBoxKey: host.box_key === boxKey },
      undelivered: undeliveredEnrollmentOf(tx.db, claim.hostId, boxKey)?.request_id,
      pending: pendingEnrollmentOf(tx.db, claim.hostId)?.request_id,
      pendingCount: countPendingEnrollments(tx.db),
      pendingMax: hub.settings.limits.pendingEnrollmentsMax,
      admitted: admitting !== undefined,
    });
    switch (decision.do) {
      case "refuse-revoked":
        throw revokedFault();
      case "refuse-full":
        this.refusedFull += 1;
        throw new Fault("unavailable", `Cannot take another enrollment: ${hub.settings.limits.pendingEnrollmentsMax} are waiting for the operator`, {
          facts: { retry_after_ms: 60_000 },
          remedy: "felhom host list --pending",
        });
      case "point-to":
        return decision.requestId;
      case "renew": {
        renewEnrollment(tx.db, decision.requestId, {
          name: claim.statement.name,
          box_key: boxKey,
          statement: asked.statement,
          signature: asked.signature,
          address,
        });
        return decision.requestId;
      }
      case "give-credential": {
        insertHostCredential(tx.db, { sha256: filing.credential.sha256, host_id: claim.hostId, created_at: nowMs });
        tx.afterCommit(() => {
          const entry = hub.hosts.get(claim.hostId);
          if (entry !== undefined) hub.hosts.putCredential(filing.credential.sha256, entry, false);
        });
        const id = this.#insert(tx, filing, "approved", nowMs);
        appendAudit(tx.db, {
          at: nowMs,
          actor: `host:${claim.hostId}`,
          from: address,
          action: "host.credential",
          target: claim.hostId,
          data: { request_id: id },
        });
        return id;
      }
      case "admit":
        return this.#admit(tx, filing, nowMs);
      case "file": {
        const id = this.#insert(tx, filing, "pending", nowMs);
        appendEvent(tx.db, {
          at: nowMs,
          kind: "host.enroll-requested",
          host: { hostId: claim.hostId, name: claim.statement.name },
          data: { request_id: id, address },
        });
        return id;
      }
    }
  }

  #admit(tx: Tx, filing: Filing, nowMs: number): string {
    const { admitting, claim, credential } = filing;
    if (admitting === undefined) throw new Error("Broken invariant: only what was admitted is admitted");
    const redemption = redeemGrant(tx.db, admitting.grantId, claim.hostId, nowMs);
    if (redemption !== "redeemed" && redemption !== "again") throw grantRefused(redemption);
    const { identity, grant, admission } = admitting;
    admitHost(this.#hub, tx, { identity, proof: { by: "grant", grant, admission }, credentialSha256: credential.sha256 }, nowMs);
    const id = this.#insert(tx, filing, "approved", nowMs);
    appendAudit(tx.db, {
      at: nowMs,
      actor: `grant:${admitting.grantId}`,
      from: filing.address,
      action: "host.admit",
      target: claim.hostId,
      data: { request_id: id, name: identity.name },
    });
    appendEvent(tx.db, {
      at: nowMs,
      kind: "host.approved",
      host: { hostId: claim.hostId, name: identity.name },
      data: { request_id: id, serial: 0, by: "grant", grant_id: admitting.grantId },
    });
    return id;
  }

  #insert(tx: Tx, { asked, claim, address, credential }: Filing, state: "pending" | "approved", nowMs: number): string {
    const { name, signing_key, box_key } = claim.statement;
    const request_id = `e-${base32(this.#hub.world.crypto.randomBytes(15))}`;
    const given = state === "approved";
    insertEnrollment(tx.db, {
      request_id,
      host_id: claim.hostId,
      state,
      name,
      signing_key,
      box_key,
      statement: asked.statement,
      signature: asked.signature,
      address,
      created_at: nowMs,
      decided_at: given ? nowMs : null,
      reason: null,
      sealed_credential: given ? credential.sealed : null,
      credential_sha256: given ? credential.sha256 : null,
    });
    return request_id;
  }

  /** `signedAt` and `signature` are the two headers of the poll; undefined when they are not there. */
  async poll(requestId: string, signedAt: string | null, signature: string | null): Promise<EnrollState> {
    const hub = this.#hub;
    const row = await hub.store.read((db) => findEnrollment(db, requestId));
    if (row === undefined)
      throw new Fault("not_found", "Cannot find the enrollment request: there is none with this id", { remedy: "Enroll again: felhom enroll" });
    checkPoll(row, signedAt, signature, hub.world.clock.wallMs());
    switch (row.state) {
      case "pending":
        return { v: 1, state: "pending", words: wordsOf(row), poll_ms: POLL_MS };
      case "rejected":
        return { v: 1, state: "rejected", ...(row.reason === null ? {} : { reason: row.reason }) };
      case "revoked":
        return { v: 1, state: "revoked" };
      case "approved":
        return this.#approved(row);
    }
  }

  async #approved(row: EnrollmentRow): Promise<EnrollState> {
    const { sealed_credential } = row;
    if (sealed_credential === null)
      throw new Fault("conflict", "Cannot give the credential again: the box has used it already", {
        remedy: "Enroll again with the same keys: felhom enroll",
      });
    return this.#hub.store.read((db): EnrollState => {
      const host = findHost(db, row.host_id);
      if (host === undefined || host.state === "revoked") return { v: 1, state: "revoked" };
      const roots = listRoots(db, 0, ROOT_CHAIN_MAX).map((root) => storedEnvelope("root", root.envelope));
      return {
        v: 1,
        state: "approved",
        ...(host.host_cert === null ? {} : { host_cert: storedEnvelope("certificate", host.host_cert) }),
        ...(host.grant_envelope === null ? {} : { grant: storedEnvelope("grant", host.grant_envelope) }),
        ...(host.admission === null ? {} : { admission: storedEnvelope("admission", host.admission) }),
        sealed_credential,
        roots,
      };
    });
  }
}

interface Filing {
  readonly asked: EnrollRequest;
  readonly address: string;
  readonly claim: Claim;
  readonly admitting: Admitting | undefined;
  readonly credential: SealedCredential;
}

function checkPoll(row: EnrollmentRow, signedAt: string | null, signature: string | null, nowMs: number): void {
  const key = readPublicKey(row.signing_key);
  const bytes = signature === null ? undefined : fromBase64url(signature);
  const isDecimal = signedAt !== null && /^\d{1,15}$/.test(signedAt);
  if (!key.ok || bytes === undefined || !isDecimal || !verifySignature(key.value, pollText(row.request_id, signedAt), bytes)) {
    throw new Fault("unauthenticated", "Cannot tell how the request stands: the poll is not signed by the key that asked");
  }
  if (Math.abs(Number(signedAt) - nowMs) > CLOCK_SKEW_MS_MAX) throw clockSkew(Number(signedAt), nowMs);
}

function wordsOf(row: EnrollmentRow): string[] {
  const signingKey = orRefuse("stored request", readPublicKey(row.signing_key));
  const boxKey = orRefuse("stored request", readBoxKey(row.box_key));
  return [...enrollmentWords(signingKey, boxKey)];
}

function clockSkew(boxMs: number, hubMs: number): Fault {
  const minutes = Math.round(Math.abs(boxMs - hubMs) / 60_000);
  return new Fault("clock_skew", `Cannot enroll: the box says ${iso(boxMs)}, the hub says ${iso(hubMs)}, ${minutes} minutes apart`, {
    facts: { box_ms: boxMs, hub_ms: hubMs },
    remedy: "Set the clock that is wrong, then enroll again",
  });
}

const iso = (wallMs: number): string => new Date(wallMs).toISOString();

const GRANT_WORDS = {
  unknown: "Cannot enroll with this token: the hub does not know its grant",
  revoked: "Cannot enroll with this token: its grant was revoked",
  expired: `Cannot enroll with this token: ${REFUSALS.grant_expired.toLowerCase().replace(/\.$/, "")}`,
  "used-up": "Cannot enroll with this token: all its uses are spent",
} as const;

function grantRefused(why: keyof typeof GRANT_WORDS): Fault {
  return new Fault("grant_refused", GRANT_WORDS[why], { facts: { why }, remedy: "Ask the operator for a new join code: felhom grant create" });
}
