/**
 * A fleet for tests: keys from fixed seeds, root version 1, and makers of everything an operator or a box signs. All of it is
 * real and verifies; only the seeds are public.
 */
import { base64url, utf8 } from "../core/bytes.ts";
import { assert } from "../core/assert.ts";
import { type FleetId, isFleetId } from "../core/ids.ts";
import { sha256, sha256Hex } from "../core/sha256.ts";
import { sha256Hex as sha256Schema } from "../protocol/fields.ts";
import type { Envelope } from "../trust/envelope.ts";
import { type HostIdentity, verifyHostCert } from "../trust/host-identity.ts";
import { type BoxKey, boxKeyFromSeed, hostIdOf, type SigningKey, signingKeyFromSeed, spellKey } from "../trust/keys.ts";
import {
  type AdmissionPayload,
  admissionPayload,
  type BundlePayload,
  bundlePayload,
  type GrantPayload,
  grantPayload,
  type HostCertPayload,
  hostCertPayload,
  type RootPayload,
  rootPayload,
} from "../trust/payloads.ts";
import { type TrustedRoot, verifyFirstRoot } from "../trust/root.ts";
import { signPayload } from "../trust/sign-payload.ts";
import type { Verdict } from "../trust/verdict.ts";

/** 2026-11-20T00:00:00Z, when the test fleet was made. */
export const FLEET_MADE_MS = 1_795_132_800_000;
const DAY_MS = 86_400_000;

export const testKey = (label: string): SigningKey => signingKeyFromSeed(sha256(utf8(`test signing key ${label}`)));
export const testBoxKey = (label: string): BoxKey => boxKeyFromSeed(sha256(utf8(`test box key ${label}`)));
export const testFleetId = (label: string): FleetId => {
  const id = `f-${hostIdOf(testKey(`fleet ${label}`).publicKey).slice(2)}`;
  assert(isFleetId(id), "a fleet id is f- and 16 letters");
  return id;
};

export interface TestHost {
  readonly signingKey: SigningKey;
  readonly boxKey: BoxKey;
  readonly hostId: HostIdentity["hostId"];
}

export const testHost = (label: string): TestHost => {
  const signingKey = testKey(`host ${label}`);
  return { signingKey, boxKey: testBoxKey(label), hostId: hostIdOf(signingKey.publicKey) };
};

/** A root payload with every role held by `keys`. */
export function testRootPayload(keys: readonly SigningKey[], changes: Partial<RootPayload> = {}): RootPayload {
  const role = { keys: keys.map(({ keyId }) => keyId), threshold: 1 };
  return {
    v: 1,
    fleet_id: testFleetId("one"),
    fleet_name: "test",
    version: 1,
    created_at: FLEET_MADE_MS,
    expires_at: FLEET_MADE_MS + 730 * DAY_MS,
    keys: Object.fromEntries(keys.map((key) => [key.keyId, { public: spellKey(key.publicKey), label: "test" }])),
    roles: { root: role, admit: role, publish: role, operate: role, destroy: role, release: role },
    hub_pins: [],
    ...changes,
  };
}

export interface TestFleet {
  readonly key: SigningKey;
  readonly root: TrustedRoot;
  readonly rootEnvelope: Envelope;
  cert(host: TestHost, changes?: Partial<HostCertPayload>): Envelope;
  identity(host: TestHost, changes?: Partial<HostCertPayload>): HostIdentity;
  /** Token key label is the grant id. */
  grant(grantId: string, changes?: Partial<GrantPayload>): Envelope;
  admission(grantId: string, host: TestHost, changes?: Partial<AdmissionPayload>): Envelope;
  bundle(version: number, files: Readonly<Record<string, string>>, changes?: Partial<BundlePayload>): Envelope;
}

export const testToken = (grantId: string): SigningKey => testKey(`token ${grantId}`);

/** One operator key in every role, threshold 1: the smallest fleet. Tests with real processes make it shortly before their real now. */
export function testFleet(label = "one", madeMs = FLEET_MADE_MS): TestFleet {
  const key = testKey(`operator ${label}`);
  const fleet_id = testFleetId(label);
  const made = { fleet_id, created_at: madeMs, expires_at: madeMs + 730 * DAY_MS };
  const rootEnvelope = signPayload("root", rootPayload, testRootPayload([key], made), [key]);
  const root = valueOf(verifyFirstRoot(rootEnvelope, sha256Hex(Buffer.from(rootEnvelope.payload, "base64"))));
  const common = { v: 1, fleet_id, created_at: madeMs } as const;
  const keysOf = (host: TestHost) => ({ host_id: host.hostId, signing_key: spellKey(host.signingKey.publicKey), box_key: spellKey(host.boxKey.publicKey) });
  const cert: TestFleet["cert"] = (host, changes) =>
    signPayload("host-cert", hostCertPayload, { ...common, ...keysOf(host), serial: 1, name: "box", labels: {}, ...changes }, [key]);
  return {
    key,
    root,
    rootEnvelope,
    cert,
    identity: (host, changes) => valueOf(verifyHostCert(cert(host, changes), root)),
    grant: (grant_id, changes) =>
      signPayload(
        "grant",
        grantPayload,
        { ...common, grant_id, token_key: base64url(testToken(grant_id).publicKey), labels: {}, uses: 10, expires_at: madeMs + 30 * DAY_MS, ...changes },
        [key],
      ),
    admission: (grant_id, host, changes) =>
      signPayload("admission", admissionPayload, { ...common, ...keysOf(host), grant_id, name: "box", ...changes }, [testToken(grant_id)]),
    bundle: (version, files, changes) =>
      signPayload(
        "bundle",
        bundlePayload,
        {
          ...common,
          version,
          expires_at: madeMs + 90 * DAY_MS,
          message: `version ${version}`,
          files: Object.entries(files).map(([path, text]) => ({
            path,
            mode: 0o644,
            sha256: sha256Schema.parse(sha256Hex(utf8(text))),
            size: utf8(text).byteLength,
          })),
          secrets: {},
          ...changes,
        },
        [key],
      ),
  };
}

/** For tests that expect yes: throws with the refusal otherwise. */
export function valueOf<T>(verdict: Verdict<T>): T {
  if (!verdict.ok) throw new Error(`expected a value, got ${verdict.refusal}: ${verdict.detail}`);
  return verdict.value;
}

/** For tests that expect no: the refusal code, or "accepted". */
export const refusalOf = (verdict: Verdict<unknown>): string => (verdict.ok ? "accepted" : verdict.refusal);
