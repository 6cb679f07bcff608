/**
 * The tokens that nats-server's operator mode reads (github.com/nats-io/jwt, v2: claims.go, operator_claims.go, account_claims.go,
 * user_claims.go): base64url JSON with `alg: ed25519-nkey`. Pure: key, claims and time in, text out.
 */
import { base32, base64url, utf8 } from "../../../shared/core/bytes.ts";
import { sha256 } from "../../../shared/core/sha256.ts";
import { sign } from "../../../shared/trust/keys.ts";
import type { Nkey } from "./nkey.ts";

const HEADER = base64url(utf8(JSON.stringify({ typ: "JWT", alg: "ed25519-nkey" })));
const NO_LIMIT = -1;

export interface Claims {
  readonly issuer: Nkey;
  readonly subject: string;
  readonly name: string;
  readonly issuedAtMs: number;
  readonly expiresAtMs?: number;
  readonly nats: Readonly<Record<string, unknown>>;
}

export function encodeJwt({ issuer, subject, name, issuedAtMs, expiresAtMs, nats }: Claims): string {
  const claims = {
    iat: Math.floor(issuedAtMs / 1_000),
    iss: issuer.publicText,
    name,
    sub: subject,
    ...(expiresAtMs === undefined ? {} : { exp: Math.floor(expiresAtMs / 1_000) }),
    nats,
  };
  const jti = base32(sha256(utf8(JSON.stringify(claims)))).toUpperCase();
  const signed = `${HEADER}.${base64url(utf8(JSON.stringify({ jti, ...claims })))}`;
  return `${signed}.${base64url(sign(issuer.key, utf8(signed)))}`;
}

export function operatorJwt(operator: Nkey, system: Nkey, nowMs: number): string {
  return encodeJwt({
    issuer: operator,
    subject: operator.publicText,
    name: "felhom",
    issuedAtMs: nowMs,
    nats: { type: "operator", version: 2, system_account: system.publicText },
  });
}

export interface AccountLimits {
  /** 0: no JetStream. */
  readonly diskBytes: number;
  readonly connections: number;
}

/** `signing` may sign this account's users: then the account's own key can be kept away. */
export function accountJwt(
  operator: Nkey,
  account: Nkey,
  given: { readonly name: string; readonly signing?: Nkey; readonly limits: AccountLimits; readonly nowMs: number },
): string {
  const { name, signing, limits, nowMs } = given;
  return encodeJwt({
    issuer: operator,
    subject: account.publicText,
    name,
    issuedAtMs: nowMs,
    nats: {
      type: "account",
      version: 2,
      ...(signing === undefined ? {} : { signing_keys: [signing.publicText] }),
      limits: {
        subs: NO_LIMIT,
        data: NO_LIMIT,
        payload: NO_LIMIT,
        imports: 0,
        exports: 0,
        wildcards: false,
        conn: limits.connections,
        leaf: 0,
        ...(limits.diskBytes === 0 ? {} : { mem_storage: 0, disk_storage: limits.diskBytes, streams: 4, consumer: 16 }),
      },
      default_permissions: { pub: {}, sub: {} },
    },
  });
}

export interface UserGiven {
  readonly name: string;
  readonly user: string;
  readonly account: Nkey;
  readonly signing: Nkey;
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
  readonly limits?: { readonly subscriptions: number; readonly messageBytes: number };
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
}

/** What is not allowed is denied: both lists are never empty, because NATS takes an empty one for everything. */
export function userJwt({ name, user, account, signing, publish, subscribe, limits, issuedAtMs, expiresAtMs }: UserGiven): string {
  return encodeJwt({
    issuer: signing,
    subject: user,
    name,
    issuedAtMs,
    expiresAtMs,
    nats: {
      type: "user",
      version: 2,
      issuer_account: account.publicText,
      pub: { allow: [...publish] },
      sub: { allow: [...subscribe] },
      subs: limits?.subscriptions ?? NO_LIMIT,
      data: NO_LIMIT,
      payload: limits?.messageBytes ?? NO_LIMIT,
      allowed_connection_types: ["STANDARD"],
    },
  });
}
