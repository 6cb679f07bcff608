import { describe, expect, test } from "bun:test";
import { base64, base64url, utf8 } from "../core/bytes.ts";
import { sha256Hex } from "../core/sha256.ts";
import { FLEET_MADE_MS, refusalOf, testFleet, testFleetId, testKey, testRootPayload, valueOf } from "../sim/test-fleet.ts";
import { addSignature, type Envelope, signEnvelope } from "./envelope.ts";
import { type SigningKey, spellKey } from "./keys.ts";
import { type RootPayload, rootPayload } from "./payloads.ts";
import { chainHolds, ROOT_CHAIN_MAX, rootExpired, type TrustedRoot, verifyFirstRoot, verifyNextRoot, verifyRootChain } from "./root.ts";
import { signPayload } from "./sign-payload.ts";
import type { Verdict } from "./verdict.ts";

const [a, b, c, d] = [testKey("a"), testKey("b"), testKey("c"), testKey("d")];
const hashOf = (envelope: Envelope): string => sha256Hex(Buffer.from(envelope.payload, "base64"));

/** A root with `keys` in every role and this threshold for role root, signed by `signers`; not checked before it is signed. */
function root(keys: readonly SigningKey[], signers: readonly SigningKey[], changes: Partial<RootPayload> = {}, threshold = 1): Envelope {
  const payload = testRootPayload(keys, changes);
  const role = { ...payload.roles.root, threshold };
  return signEnvelope("root", utf8(JSON.stringify({ ...payload, roles: { ...payload.roles, root: role, ...changes.roles } })), signers);
}
const first = (envelope: Envelope): Verdict<TrustedRoot> => verifyFirstRoot(envelope, hashOf(envelope));
const one = valueOf(first(root([a, b], [a, b], {}, 2)));

describe("root version 1", () => {
  test("is trusted by its hash", () => expect(one.payload.version).toBe(1));
  test("root_hash_mismatch: any other hash, looked at before the payload", () => {
    expect(refusalOf(verifyFirstRoot(one.envelope, "0".repeat(64)))).toBe("root_hash_mismatch");
    expect(refusalOf(verifyFirstRoot(one.envelope, ""))).toBe("root_hash_mismatch");
    expect(refusalOf(verifyFirstRoot(signEnvelope("root", utf8("not json"), [a]), one.hash))).toBe("root_hash_mismatch");
  });
  test("version_step: a pinned root of version 2", () => expect(refusalOf(first(root([a], [a], { version: 2 })))).toBe("version_step"));
  test("threshold_not_met: one of two of its own keys signed", () => expect(refusalOf(first(root([a, b], [a], {}, 2)))).toBe("threshold_not_met"));
  test("key_unknown: signed by a stranger", () => expect(refusalOf(first(root([a], [c])))).toBe("key_unknown"));
  test("signature_bad: signatures moved from another root", () => {
    const other = root([a], [a], { fleet_name: "other" });
    expect(refusalOf(first({ ...root([a], [a]), signatures: other.signatures }))).toBe("signature_bad");
  });
  test("wrong_type: signed as something else", () => {
    const signed = root([a], [a]);
    expect(refusalOf(first({ ...signed, payloadType: "application/vnd.felhom.grant+json" }))).toBe("wrong_type");
  });
});

describe("a root in itself is refused with", () => {
  const keys = testRootPayload([a, b]).keys;
  const rolesOf = (role: RootPayload["roles"]["admit"]) => ({ ...testRootPayload([a]).roles, admit: role });
  test("root_duplicate_key: one public key under two ids (attack 12)", () => {
    expect(refusalOf(first(root([a], [a], { keys: { ...keys, [b.keyId]: { public: spellKey(a.publicKey), label: "again" } } })))).toBe("root_duplicate_key");
  });
  test("root_duplicate_key: an id that is not its key's", () => {
    expect(refusalOf(first(root([a], [a], { keys: { ...keys, aaaa: { public: spellKey(c.publicKey), label: "c" } } })))).toBe("root_duplicate_key");
    expect(refusalOf(first(root([a], [a], { keys: { ...keys, [c.keyId]: { public: spellKey(d.publicKey), label: "d" } } })))).toBe("root_duplicate_key");
  });
  test("root_duplicate_key: a role that names one key twice", () =>
    expect(refusalOf(first(root([a], [a], { roles: rolesOf({ keys: [a.keyId, a.keyId], threshold: 2 }) })))).toBe("root_duplicate_key"));
  test("root_role_unsatisfiable: a threshold above the number of keys", () =>
    expect(refusalOf(first(root([a], [a], { roles: rolesOf({ keys: [a.keyId], threshold: 2 }) })))).toBe("root_role_unsatisfiable"));
  test("root_role_unsatisfiable: a role with a key that is not listed", () =>
    expect(refusalOf(first(root([a], [a], { roles: rolesOf({ keys: [c.keyId], threshold: 1 }) })))).toBe("root_role_unsatisfiable"));
  test("key_unsafe: a low-order key (attack 13)", () => {
    const low = new Uint8Array(32);
    expect(refusalOf(first(root([a], [a], { keys: { ...keys, [c.keyId]: { public: base64url(low), label: "low" } } })))).toBe("key_unsafe");
  });
  test("payload_schema: no keys in a role, threshold 0, an unknown role, an unknown field, expiry before birth, 65 keys", () => {
    const many = Object.fromEntries(
      Array.from({ length: 65 }, (_, at) => testKey(`many ${at}`)).map((key) => [key.keyId, { public: spellKey(key.publicKey), label: "" }]),
    );
    const bad: readonly object[] = [
      { roles: rolesOf({ keys: [], threshold: 1 }) },
      { roles: rolesOf({ keys: [a.keyId], threshold: 0 }) },
      { roles: { ...rolesOf({ keys: [a.keyId], threshold: 1 }), god: { keys: [a.keyId], threshold: 1 } } },
      { god: true },
      { expires_at: FLEET_MADE_MS },
      { keys: { ...keys, ...many } },
    ];
    for (const changes of bad) expect(refusalOf(first(root([a], [a], changes)))).toBe("payload_schema");
  });
});

describe("the next root", () => {
  const next = (envelope: Envelope) => refusalOf(verifyNextRoot(one, envelope));
  test("counts with a threshold of the old and of the new", () => {
    expect(next(root([b, c], [a, b, c], { version: 2 }, 2))).toBe("accepted");
  });
  test("threshold_not_met: only one of the old two", () => expect(next(root([b, c], [b, c], { version: 2 }, 2))).toBe("threshold_not_met"));
  test("threshold_not_met: only one of the new two", () => expect(next(root([c, d], [a, b, c], { version: 2 }, 2))).toBe("threshold_not_met"));
  test("key_unknown: none of the old, or none of the new", () => {
    expect(next(root([c, d], [c, d], { version: 2 }, 2))).toBe("key_unknown");
    expect(next(root([c, d], [a, b], { version: 2 }, 2))).toBe("key_unknown");
  });
  test("threshold_not_met: two signatures by one key are one approver (attack 11)", () => {
    const signed = root([a, b], [a], { version: 2 }, 1);
    expect(next({ ...signed, signatures: [...signed.signatures, ...signed.signatures] })).toBe("threshold_not_met");
  });
  test("version_not_newer: the same version again, or version 1 with other content (rollback)", () => {
    expect(next(one.envelope)).toBe("version_not_newer");
    expect(next(root([a, b], [a, b], { version: 1, fleet_name: "older" }, 2))).toBe("version_not_newer");
  });
  test("version_step: version 3, or the last there is (attack 20)", () => {
    expect(next(root([a, b], [a, b], { version: 3 }))).toBe("version_step");
    expect(next(root([a, b], [a, b], { version: 1_000_000 }))).toBe("version_step");
  });
  test("payload_schema: a version beyond the last, or no keys at all (attack 20)", () => {
    expect(next(root([a, b], [a, b], { version: Number.MAX_SAFE_INTEGER }))).toBe("payload_schema");
    expect(next(root([], [a, b], { version: 2 }))).toBe("payload_schema");
  });
  test("fleet_mismatch: another fleet's root with the same keys", () =>
    expect(next(root([a, b], [a, b], { version: 2, fleet_id: testFleetId("two") }))).toBe("fleet_mismatch"));
  test("signature_bad: a byte of one needed signature changed", () => {
    const signed = root([a, b], [a, b], { version: 2 });
    const [one_ = { keyid: "", sig: "" }, two = { keyid: "", sig: "" }] = signed.signatures;
    expect(next({ ...signed, signatures: [one_, { ...two, sig: base64(new Uint8Array(64).fill(9)) }] })).toBe("signature_bad");
  });
  test("signatures by keys of no matter are ignored", () =>
    expect(next(valueOf(addSignature(root([a, b], [a, b], { version: 2 }), "root", testKey("stranger"))))).toBe("accepted"));
});

describe("a chain", () => {
  const two = root([b, c], [a, b, c], { version: 2 }, 2);
  const three = root([d], [b, c, d], { version: 3 }, 1);
  test("leads from the pin to the newest, all keys exchanged on the way", () =>
    expect(valueOf(verifyRootChain([one.envelope, two, three], one.hash)).payload.version).toBe(3));
  test("version_step: a gap, a wrong order, an empty chain, too long a chain", () => {
    const gap = root([a, b], [a, b, d], { version: 3 });
    expect(refusalOf(verifyRootChain([one.envelope, gap], one.hash))).toBe("version_step");
    expect(refusalOf(verifyRootChain([], one.hash))).toBe("version_step");
    expect(refusalOf(verifyRootChain([one.envelope, ...Array.from({ length: ROOT_CHAIN_MAX + 1 }, () => two)], one.hash))).toBe("version_step");
  });
  test("attack 19: a removed key counts no more, whatever date it writes", () => {
    const now = valueOf(verifyRootChain([one.envelope, two], one.hash));
    const byRemoved = root([a, b], [a], { version: 3, created_at: FLEET_MADE_MS - 1_000_000 });
    expect(refusalOf(verifyNextRoot(now, byRemoved))).toBe("key_unknown");
  });
  test("key_unknown: a fork whose second half was signed by version 1's keys", () => {
    const now = valueOf(verifyRootChain([one.envelope, two, three], one.hash));
    expect(refusalOf(verifyNextRoot(now, root([a, b], [a, b], { version: 4 }, 2)))).toBe("key_unknown");
  });
});

describe("a chain for a fresh box", () => {
  const two = root([b, c], [a, b, c], { version: 2 }, 2);
  const named = { version: 2, hash: valueOf(verifyRootChain([one.envelope, two], one.hash)).hash };
  test("accepted: it leads through the root that the join code names, and may go further", () =>
    expect(refusalOf(chainHolds([one.envelope, two], named))).toBe("accepted"));
  test("version_step: a hub that withholds it", () => expect(refusalOf(chainHolds([one.envelope], named))).toBe("version_step"));
  test("root_hash_mismatch: a fork that version 1's stolen keys signed", () => {
    const fork = root([a, b], [a, b], { version: 2, fleet_name: "fork" }, 2);
    expect(verifyRootChain([one.envelope, fork], one.hash).ok).toBe(true);
    expect(refusalOf(chainHolds([one.envelope, fork], named))).toBe("root_hash_mismatch");
  });
});

test("expiry is said, not enforced here: a late rotation must still be possible", () => {
  expect(rootExpired(one, one.payload.expires_at - 1)).toBe(false);
  expect(rootExpired(one, one.payload.expires_at)).toBe(true);
});

test("nothing is signed that would be refused", () => {
  expect(() => signPayload("root", rootPayload, { ...testRootPayload([a]), fleet_name: "Not A Name" }, [a])).toThrow("payload_schema");
  expect(testFleet().root.payload.version).toBe(1);
});
