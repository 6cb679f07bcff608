/**
 * The attacks of the catalogue that trust alone must stop, by their numbers. Those about keys, parsing and single payloads stand
 * beside the code they concern (`keys`, `strict-json`, `verify`, `root`, `host-identity`, `bundle`, `sealed-secrets`, `report`);
 * here are those that take two parts to see.
 */
import { describe, expect, test } from "bun:test";
import { utf8 } from "../core/bytes.ts";
import { FLEET_MADE_MS, refusalOf, testBoxKey, testFleet, testHost, testKey, testRootPayload, valueOf } from "../sim/test-fleet.ts";
import { bundleExpired, verifyBundle, verifyHeldBundle } from "./bundle.ts";
import { type Envelope, parseEnvelope, signEnvelope } from "./envelope.ts";
import { verifyAdmission, verifyGrant, verifyHostCert, verifyMine, verifySuccessor } from "./host-identity.ts";
import { decodeJoinCode, encodeJoinCode } from "./join-code.ts";
import { sign, spellKey, verifySignature } from "./keys.ts";
import { admissionPayload, bundlePayload, grantPayload, hostCertPayload, type PayloadType, payloadType, rootPayload } from "./payloads.ts";
import { verifyFirstRoot, verifyNextRoot } from "./root.ts";
import { signPayload } from "./sign-payload.ts";
import { verifyByKey, verifyByRole } from "./verify.ts";

const fleet = testFleet();
const other = testFleet("two");
const [one, two] = [testHost("one"), testHost("two")];
const now = FLEET_MADE_MS + 1_000;
/** A hub that has nothing but a key of its own. */
const mallory = testKey("mallory");

describe("replay", () => {
  test("attack 1: an old bundle, the same bundle, an old certificate, an old root", () => {
    const arrive = (version: number) => refusalOf(verifyBundle({ envelope: fleet.bundle(version, {}), root: fleet.root, floor: 7, nowMs: now }));
    expect([arrive(6), arrive(7), arrive(8)]).toEqual(["below_floor", "version_not_newer", "accepted"]);
    expect(refusalOf(verifySuccessor(fleet.identity(one, { serial: 2 }), fleet.identity(one, { serial: 1, labels: { role: "db" } })))).toBe(
      "version_not_newer",
    );
    expect(refusalOf(verifyNextRoot(fleet.root, fleet.rootEnvelope))).toBe("version_not_newer");
  });
  test("attack 2: what was signed for another host or fleet", () => {
    const mine = { signingKey: one.signingKey.publicKey, boxKey: one.boxKey.publicKey };
    expect(refusalOf(verifyMine(fleet.identity(two), mine))).toBe("host_mismatch");
    expect(refusalOf(verifyHostCert(other.cert(one), fleet.root))).toBe("key_unknown");
    expect(refusalOf(verifyBundle({ envelope: other.bundle(1, {}), root: fleet.root, floor: 0, nowMs: now }))).toBe("key_unknown");
    expect(refusalOf(verifyNextRoot(fleet.root, other.rootEnvelope))).toBe("key_unknown");
  });
  test("attack 2: one operator's key in two fleets does not carry a bundle from one into the other", () => {
    const elsewhere = signEnvelope(
      "bundle",
      utf8(JSON.stringify({ ...JSON.parse(Buffer.from(fleet.bundle(1, {}).payload, "base64").toString()), fleet_id: other.root.payload.fleet_id })),
      [fleet.key],
    );
    expect(refusalOf(verifyBundle({ envelope: elsewhere, root: fleet.root, floor: 0, nowMs: now }))).toBe("fleet_mismatch");
  });
  test("attack 3: a hub that withholds can only let things grow old, and that shows", () => {
    const held = valueOf(verifyHeldBundle({ envelope: fleet.bundle(1, {}), root: fleet.root }));
    expect([bundleExpired(held, now), bundleExpired(held, held.expires_at)]).toEqual([false, true]);
  });
});

describe("one envelope, one meaning", () => {
  const types = ["root", "host-cert", "grant", "admission", "bundle"] as const satisfies readonly PayloadType[];
  const schemas = { root: rootPayload, "host-cert": hostCertPayload, grant: grantPayload, bundle: bundlePayload };
  const samples: Readonly<Record<(typeof types)[number], Envelope>> = {
    root: fleet.rootEnvelope,
    "host-cert": fleet.cert(one),
    grant: fleet.grant("g"),
    admission: fleet.admission("g", one),
    bundle: fleet.bundle(1, {}),
  };
  const judge = (type: keyof typeof schemas, envelope: Envelope) =>
    refusalOf(verifyByRole({ envelope, type, root: fleet.root, role: "root", schema: schemas[type] as typeof rootPayload }));
  for (const is of types) {
    for (const as of ["root", "host-cert", "grant", "bundle"] as const) {
      if (is === as) continue;
      test(`attack 8: a ${is} is not taken for a ${as}, not even with its type rewritten`, () => {
        expect(judge(as, samples[is])).toBe("wrong_type");
        expect(judge(as, { ...samples[is], payloadType: payloadType(as) })).toBe(is === "admission" ? "key_unknown" : "signature_bad");
      });
    }
  }
  test("attack 5: duplicate keys, signed by an operator whose tool was fooled", () => {
    const text = Buffer.from(fleet.cert(one).payload, "base64").toString().replace('"serial":1', '"serial":1,"serial":9');
    expect(refusalOf(verifyHostCert(signEnvelope("host-cert", utf8(text), [fleet.key]), fleet.root))).toBe("payload_duplicate_key");
  });
  test("attack 7: NFC and NFD twins, homoglyphs, bidi and zero width in names and labels", () => {
    for (const name of ["caf\u00e9", "cafe\u0301", "b\u043ex", "box\u202e", "bo\u200bx", "BOX", "box ", "-box", "box/..", ""])
      expect(() => fleet.cert(one, { name })).toThrow("payload_schema");
    expect(() => fleet.cert(one, { labels: { "r\u043ele": "web" } })).toThrow("payload_schema");
  });
  test("attack 31: __proto__ anywhere in an envelope or payload", () => {
    const text = Buffer.from(fleet.cert(one).payload, "base64").toString();
    for (const changed of [text.replace('"labels":{}', '"labels":{"__proto__":{"role":"db"}}'), text.replace('"v":1', '"v":1,"__proto__":{"serial":9}')])
      expect(refusalOf(verifyHostCert(signEnvelope("host-cert", utf8(changed), [fleet.key]), fleet.root))).toBe("payload_schema");
    expect(refusalOf(parseEnvelope(utf8(JSON.stringify(fleet.cert(one)).replace("{", '{"__proto__":{},'))))).toBe("envelope_malformed");
  });
  test("attack 32: 4 MiB of nesting, keys or digits are refused in bounded time", () => {
    for (const text of ['{"v":'.repeat(2_500), `{"v":1,"a":${"9".repeat(15_000)}}`, `{${Array.from({ length: 1_400 }, (_, at) => `"k${at}":1`).join(",")}}`]) {
      const started = performance.now();
      expect(verifyHostCert(signEnvelope("host-cert", utf8(text), [fleet.key]), fleet.root).ok).toBe(false);
      expect(performance.now() - started).toBeLessThan(250);
    }
  });
});

describe("keys", () => {
  test("attack 10: a key that comes with the message is not asked", () => {
    const cert = signPayload(
      "host-cert",
      hostCertPayload,
      {
        v: 1,
        fleet_id: fleet.root.payload.fleet_id,
        host_id: one.hostId,
        serial: 1,
        name: "box",
        labels: {},
        signing_key: spellKey(one.signingKey.publicKey),
        box_key: spellKey(one.boxKey.publicKey),
        created_at: 1,
      },
      [mallory],
    );
    expect(
      refusalOf(
        verifyHostCert({ ...cert, signatures: cert.signatures.map((signature) => ({ ...signature, public: spellKey(mallory.publicKey) })) }, fleet.root),
      ),
    ).toBe("key_unknown");
    // Nor the host's own key, though the payload names it.
    expect(refusalOf(verifyHostCert(signEnvelope("host-cert", Buffer.from(fleet.cert(one).payload, "base64"), [one.signingKey]), fleet.root))).toBe(
      "key_unknown",
    );
  });
  test("attack 19: a revoked publisher's bundle, dated before its revocation", () => {
    const fresh = testKey("fresh");
    const next = signPayload("root", rootPayload, testRootPayload([fresh], { version: 2, fleet_id: fleet.root.payload.fleet_id }), [fleet.key, fresh]);
    const after = valueOf(verifyNextRoot(fleet.root, next));
    expect(refusalOf(verifyBundle({ envelope: fleet.bundle(1, {}, { created_at: 1, expires_at: now + 1_000 }), root: after, floor: 0, nowMs: now }))).toBe(
      "key_unknown",
    );
  });
  test("attack 73: a box's old key can't vouch for a new one: only the role admit can", () => {
    const rekey = signEnvelope("host-cert", Buffer.from(fleet.cert(one, { serial: 2, box_key: spellKey(testBoxKey("new").publicKey) }).payload, "base64"), [
      one.signingKey,
    ]);
    expect(refusalOf(verifyHostCert(rekey, fleet.root))).toBe("key_unknown");
    expect(refusalOf(verifySuccessor(fleet.identity(one), fleet.identity(one, { serial: 2, box_key: spellKey(testBoxKey("new").publicKey) })))).toBe(
      "accepted",
    );
  });
});

describe("enrollment and identity", () => {
  test("attack 67: an id can't be squatted: it is its key's hash, and another key has another", () => {
    expect(refusalOf(verifyHostCert(fleet.cert(two, { host_id: one.hostId }), fleet.root))).toBe("key_mismatch");
    expect(refusalOf(verifyAdmission({ grant: fleet.grant("g"), admission: fleet.admission("g", two, { host_id: one.hostId }), root: fleet.root }))).toBe(
      "key_mismatch",
    );
  });
  test("attack 68: a signature under one purpose is none under another", () => {
    const statement = utf8(JSON.stringify({ v: 1, purpose: "felhom enroll", challenge_id: "c", nonce: "n" }));
    const poll = utf8("felhom enroll poll\nreq\n5");
    const signature = sign(one.signingKey, statement);
    expect(verifySignature(one.signingKey.publicKey, statement, signature)).toBe(true);
    expect(verifySignature(one.signingKey.publicKey, poll, signature)).toBe(false);
    // A statement's signature can't become an envelope's: what is signed there begins with DSSEv1.
    const envelope = {
      payload: Buffer.from(statement).toString("base64"),
      payloadType: payloadType("report"),
      signatures: [{ keyid: one.signingKey.keyId, sig: Buffer.from(signature).toString("base64") }],
    };
    expect(refusalOf(verifyByKey({ envelope, type: "report", publicKey: one.signingKey.publicKey, schema: admissionPayload }))).toBe("signature_bad");
  });
  test("attack 69: a stolen token ends with its grant, and the hub can't make it live longer", () => {
    const grant = fleet.grant("g", { uses: 1 });
    const end = FLEET_MADE_MS + 30 * 86_400_000;
    expect(refusalOf(verifyAdmission({ grant, admission: fleet.admission("g", one), root: fleet.root, nowMs: end }))).toBe("grant_expired");
    const stretched = Buffer.from(
      Buffer.from(grant.payload, "base64")
        .toString()
        .replace(String(end), String(end * 2)),
    ).toString("base64");
    expect(refusalOf(verifyGrant({ ...grant, payload: stretched }, fleet.root))).toBe("signature_bad");
  });
  test("attack 70: a rogue hub has no root that fits the join code, and no grant that fits the root", () => {
    const code = encodeJoinCode({ fleetId: fleet.root.payload.fleet_id, rootHash: fleet.root.hash, pins: [] });
    const { rootHash } = valueOf(decodeJoinCode(code));
    const forged = signPayload("root", rootPayload, testRootPayload([mallory], { fleet_id: fleet.root.payload.fleet_id }), [mallory]);
    expect(refusalOf(verifyFirstRoot(forged, rootHash))).toBe("root_hash_mismatch");
    expect(refusalOf(verifyNextRoot(fleet.root, signPayload("root", rootPayload, testRootPayload([mallory], { version: 2 }), [mallory])))).toBe("key_unknown");
    expect(refusalOf(verifyGrant(other.grant("g"), fleet.root))).toBe("key_unknown");
  });
});
