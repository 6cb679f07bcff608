/**
 * Login by key: a challenge, an Ed25519 signature over it by any key of the current root, a session of 12 hours as admin. Whoever holds
 * an operator key can publish anyway; the session only lets him ask. Every failure gets the same words: which keys are in the
 * root is nobody's business, though no secret.
 */
import { base32, fromBase64url, utf8 } from "../../../../shared/core/bytes.ts";
import { Fault } from "../../../../shared/core/fault.ts";
import { hmacSha256 } from "../../../../shared/core/hmac.ts";

import { loginChallenge, loginReply, loginRequest } from "../../../../shared/protocol/api/login.ts";
import { readPublicKey, verifySignature } from "../../../../shared/trust/keys.ts";
import type { TrustedRoot } from "../../../../shared/trust/root.ts";
import { type Challenge, type Mac, loginText, makeChallenge, recallChallenge } from "../../../core/login/challenge.ts";
import type { Hub } from "../../hub.ts";
import { deleteSession, insertSession, makeSecret, SESSION_MS, SESSION_PREFIX } from "../../store/credentials.ts";
import { defineRoute, type Route } from "../route.ts";
import { mutate } from "./mutation.ts";

/** Challenges that good signatures used up within the last five minutes. */
const SPENT_MAX = 10_000;

export function loginRoutes(hub: Hub): readonly Route[] {
  const key = hub.world.crypto.randomBytes(32);
  const mac: Mac = (text) => hmacSha256(key, utf8(text));
  const spent = new Map<string, number>();
  return [challengeRoute(hub, mac), sessionRoute(hub, mac, spent), logoutRoute(hub)];
}

function challengeRoute(hub: Hub, mac: Mac): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/login/challenges",
      capability: "open",
      summary: "Ask for a login challenge, to be signed by a key of the fleet's root",
      bodyBytesMax: 0,
      replies: { 201: { what: "A challenge, good for five minutes and one login", schema: loginChallenge } },
    },
    async () => {
      const challenge = makeChallenge(mac, hub.world.crypto.randomBytes(16), hub.world.clock.wallMs());
      return {
        status: 201,
        body: { challenge_id: challenge.id, nonce: challenge.nonce, fleet_id: hub.fleet.root?.payload.fleet_id ?? null, expires_at: challenge.expiresAt },
      };
    },
  );
}

function sessionRoute(hub: Hub, mac: Mac, spent: Map<string, number>): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/login/sessions",
      capability: "open",
      summary: "Log in with a signed challenge",
      bodyBytesMax: 1_024,
      body: loginRequest,
      replies: { 201: { what: "A session's token, shown this once", schema: loginReply } },
      errors: ["challenge_unknown", "conflict", "unauthenticated"],
    },
    async (call) => {
      const { root } = hub.fleet;
      if (root === undefined)
        throw new Fault("conflict", "Cannot log in: this hub has no fleet yet", { remedy: "felhom login --hub URL --pin PIN --setup-token-file FILE" });
      const nowMs = hub.world.clock.wallMs();
      forget(spent, nowMs);
      const challenge = recallChallenge(mac, call.body.challenge_id, nowMs);
      if (challenge === undefined || spent.has(challenge.id))
        throw new Fault("challenge_unknown", "Cannot log in: the challenge is unknown, used or expired", { remedy: "Ask for another challenge" });
      if (spent.size >= SPENT_MAX) throw new Fault("unavailable", "Cannot log in: too many logins within five minutes");
      if (!isSignedByRoot(root, challenge, call.body)) throw new Fault("unauthenticated", "Cannot log in: no key of the current root made this signature");
      // Before the first await: of any number of racers with one challenge, one gets here.
      spent.set(challenge.id, challenge.expiresAt);
      return openSession(hub, call, call.body.key_id, nowMs);
    },
  );
}

function isSignedByRoot(root: TrustedRoot, challenge: Challenge, { key_id, signature }: { readonly key_id: string; readonly signature: string }): boolean {
  const { keys, roles, fleet_id } = root.payload;
  const entry = Object.hasOwn(keys, key_id) ? keys[key_id] : undefined;
  const hasRole = Object.values(roles).some((role) => role.keys.some((id) => id === key_id));
  const publicKey = entry === undefined || !hasRole ? undefined : readPublicKey(entry.public);
  const bytes = fromBase64url(signature);
  return publicKey?.ok === true && bytes !== undefined && verifySignature(publicKey.value, loginText(fleet_id, challenge, key_id), bytes);
}

async function openSession(hub: Hub, call: Parameters<Route["handle"]>[0], keyId: string, nowMs: number) {
  const token = makeSecret(SESSION_PREFIX, hub.world.crypto.randomBytes(32));
  const session_id = `s-${base32(hub.world.crypto.randomBytes(10))}`;
  const expires_at = nowMs + SESSION_MS;
  return mutate(
    hub,
    call,
    { action: "session.create", target: session_id },
    (tx) => {
      insertSession(tx.db, { secret: token, session_id, key_id: keyId, role: "admin", address: call.address, created_at: nowMs, expires_at });
      return { status: 201, body: { token, role: "admin", expires_at }, audit: { expires_at } };
    },
    { actor: `key:${keyId}`, secret: true },
  );
}

function logoutRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "DELETE",
      path: "/api/v1/login/sessions/current",
      capability: "fleet.read",
      summary: "End this session",
      bodyBytesMax: 0,
      replies: { 204: { what: "The session is over" } },
      errors: ["conflict"],
    },
    async (call) => {
      const { principal } = call;
      if (principal.is !== "session")
        throw new Fault("conflict", "Cannot end the session: this credential is an API token", { remedy: "Revoke the token instead" });
      return mutate(hub, call, { action: "session.end", target: principal.sessionId }, (tx) => {
        deleteSession(tx.db, principal.sessionId);
        return { status: 204, audit: {} };
      });
    },
  );
}

function forget(spent: Map<string, number>, nowMs: number): void {
  for (const [id, expiresAt] of spent) if (expiresAt <= nowMs) spent.delete(id);
}
