/**
 * Ops for tests: a fleet where operating takes one of two keys and destroying takes two of three, and signed ops of any kind. Real
 * signatures on real bytes; what a test breaks, it breaks by itself.
 */
import { base32, base64url, utf8 } from "../core/bytes.ts";
import { sha256, sha256Hex } from "../core/sha256.ts";
import type { OpKindName } from "../ops/catalogue.ts";
import { OP_KINDS } from "../ops/catalogue.ts";
import type { Subject } from "../states/expression.ts";
import { encodeEnvelope, type Envelope, signEnvelope } from "../trust/envelope.ts";
import type { SigningKey } from "../trust/keys.ts";
import { type OpPayload, type RootPayload, rootPayload } from "../trust/payloads.ts";
import { type TrustedRoot, verifyFirstRoot } from "../trust/root.ts";
import { signPayload } from "../trust/sign-payload.ts";
import { FLEET_MADE_MS, testFleetId, testHost, testKey, testRootPayload, valueOf } from "./test-fleet.ts";

export const OP_ISSUED_MS = FLEET_MADE_MS + 3_600_000;
export const OP_NOW_MS = OP_ISSUED_MS + 1_000;

export const operatorKeys = { anna: testKey("anna"), bela: testKey("bela"), cili: testKey("cili") } as const;
/** Its signatures are as good as any, but no root lists it. */
export const strangerKey = testKey("stranger");
export const opHost = testHost("op");
export const opSubject: Subject = {
  labels: { role: "web", site: "gyor" },
  facts: { os: { family: "debian" }, memory: { total_mb: 8_192 } },
  host: { id: opHost.hostId, name: "kovacs-1" },
};

/** `operate`: anna or bela. `destroy`: two of anna, bela, cili. */
export function opRoot(changes: Partial<RootPayload> = {}): TrustedRoot {
  const { anna, bela, cili } = operatorKeys;
  const base = testRootPayload([anna, bela, cili], { fleet_id: testFleetId("one") });
  const roles = {
    ...base.roles,
    operate: { keys: [anna.keyId, bela.keyId], threshold: 1 },
    destroy: { keys: [anna.keyId, bela.keyId, cili.keyId], threshold: 2 },
  };
  const envelope = signPayload("root", rootPayload, { ...base, roles, ...changes }, [anna]);
  return valueOf(verifyFirstRoot(envelope, sha256Hex(Buffer.from(envelope.payload, "base64"))));
}

/** A payload of this kind with the kind's own example, aimed at `opHost`. Ids and nonces follow from `label`. */
export function opPayloadOf(kind: OpKindName, changes: Readonly<Record<string, unknown>> = {}, label: string = kind): OpPayload {
  const seed = sha256(utf8(`op ${label}`));
  return {
    v: 1,
    fleet_id: testFleetId("one"),
    id: `o-${base32(seed.subarray(0, 10))}`,
    kind,
    target: OP_KINDS[kind].aims === "guest" ? { host_id: opHost.hostId, guest_id: "vm-104" } : { host_id: opHost.hostId },
    params: { ...OP_KINDS[kind].example },
    nonce: base64url(sha256(seed)),
    issued_at: OP_ISSUED_MS,
    expires_at: OP_ISSUED_MS + 3_600_000,
    ...changes,
  };
}

/** Whatever the value is: also what no signer of ours would sign. */
export const signAnything = (value: unknown, keys: readonly SigningKey[]): Envelope => signEnvelope("op", utf8(JSON.stringify(value)), keys);

export const opBytes = (kind: OpKindName, changes: Readonly<Record<string, unknown>> = {}, keys: readonly SigningKey[] = [operatorKeys.anna]): Uint8Array =>
  encodeEnvelope(signAnything(opPayloadOf(kind, changes), keys));
