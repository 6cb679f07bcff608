import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { utf8 } from "../core/bytes.ts";
import { refusalOf, testFleet, testFleetId, testHost, testKey, testRootPayload, valueOf } from "../sim/test-fleet.ts";
import { addSignature, type Envelope, signEnvelope } from "./envelope.ts";
import { checkPublicKey, keyIdOf, type SigningKey, spellKey, verifySignature } from "./keys.ts";
import { hostCertPayload, type PayloadType, type RootPayload } from "./payloads.ts";
import { REFUSALS } from "./verdict.ts";
import { verifyByKey, verifyByKeyAside, verifyByRole } from "./verify.ts";

const [a, b, c] = [testKey("a"), testKey("b"), testKey("c")];
const host = testHost("one");
const payload = {
  v: 1,
  fleet_id: testFleetId("one"),
  host_id: host.hostId,
  serial: 1,
  name: "box",
  labels: {},
  signing_key: spellKey(host.signingKey.publicKey),
  box_key: spellKey(host.boxKey.publicKey),
  created_at: 5,
};

/** Role admit: a and b, threshold as given; c holds every other role. */
function rootWith(threshold: number): { readonly payload: RootPayload } {
  const root = testRootPayload([a, b, c]);
  const others = { keys: [c.keyId], threshold: 1 };
  return {
    payload: {
      ...root,
      roles: { root: others, admit: { keys: [a.keyId, b.keyId], threshold }, publish: others, operate: others, destroy: others, release: others },
    },
  };
}

const signed = (keys: readonly SigningKey[], changes: object = {}, type: PayloadType = "host-cert"): Envelope =>
  signEnvelope(type, utf8(JSON.stringify({ ...payload, ...changes })), keys);
const judge = (envelope: Envelope, threshold = 1, root = rootWith(threshold)) =>
  refusalOf(verifyByRole({ envelope, type: "host-cert", root, role: "admit", schema: hostCertPayload }));

describe("by role, a truth table", () => {
  const rows: readonly (readonly [what: string, code: string, envelope: Envelope, threshold?: number])[] = [
    ["one key of the role", "accepted", signed([a])],
    ["both keys of the role, both needed", "accepted", signed([a, b]), 2],
    ["a stranger beside one of the role", "accepted", signed([testKey("stranger"), a])],
    ["a key of another role", "key_unknown", signed([c])],
    ["a stranger", "key_unknown", signed([testKey("stranger")])],
    ["one of two needed", "threshold_not_met", signed([a]), 2],
    ["one of two needed and a key of another role", "threshold_not_met", signed([a, c]), 2],
    ["attack 11: one key twice for two needed", "threshold_not_met", { ...signed([a]), signatures: [...signed([a]).signatures, ...signed([a]).signatures] }, 2],
    ["a's signature under b's id", "signature_bad", { ...signed([a]), signatures: signed([a]).signatures.map(({ sig }) => ({ keyid: b.keyId, sig })) }],
    ["a signature over other bytes", "signature_bad", { ...signed([a]), signatures: signed([a], { serial: 2 }).signatures }],
    [
      "one good and one bad signature of the role",
      "signature_bad",
      { ...signed([a]), signatures: [...signed([a]).signatures, ...signed([b], { serial: 2 }).signatures] },
    ],
    ["attack 8: signed as a grant, offered as a certificate", "signature_bad", { ...signed([a], {}, "grant"), payloadType: signed([a]).payloadType }],
    ["another type", "wrong_type", signed([a], {}, "grant")],
    ["another fleet", "fleet_mismatch", signed([a], { fleet_id: testFleetId("two") })],
    ["attack 8: an unknown field", "payload_schema", signed([a], { admin: true })],
    ["attack 8: no version", "payload_bad_version", signed([a], { v: undefined })],
    ["attack 8: version 2", "payload_bad_version", signed([a], { v: 2 })],
    ["attack 4: a time that is a string", "payload_schema", signed([a], { created_at: "5" })],
    ["attack 4: a time that is not whole", "payload_schema", signed([a], { created_at: 5.5 })],
    [
      "attack 4: a time of 2^53 + 1",
      "payload_unsafe_number",
      signEnvelope("host-cert", utf8(JSON.stringify(payload).replace('"created_at":5', '"created_at":9007199254740993')), [a]),
    ],
    ["attack 7: a homoglyph in an id", "payload_schema", signed([a], { host_id: host.hostId.replace("h-", "һ-") })],
    ["attack 7: zero width in a name", "payload_schema", signed([a], { name: "bo\u200bx" })],
    [
      "attack 31: __proto__ as a label",
      "payload_schema",
      signEnvelope("host-cert", utf8(JSON.stringify(payload).replace('"labels":{}', '"labels":{"__proto__":"x"}')), [a]),
    ],
    [
      "attack 31: constructor as key id",
      "key_unknown",
      { ...signed([a]), signatures: signed([a]).signatures.map(({ sig }) => ({ keyid: "constructor", sig })) },
    ],
  ];
  for (const [what, code, envelope, threshold] of rows) test(`${code}: ${what}`, () => expect(judge(envelope, threshold)).toBe(code));

  test("signatures are counted before the payload is looked at", () => {
    expect(judge(signEnvelope("host-cert", utf8("{{{"), [c]))).toBe("key_unknown");
    expect(judge(signEnvelope("host-cert", utf8("{{{"), [a]))).toBe("payload_not_json");
  });

  test("key_unsafe: a key of low order in the root itself is never asked", () => {
    const root = rootWith(1);
    const low = { payload: { ...root.payload, keys: { ...root.payload.keys, [a.keyId]: { public: spellKey(new Uint8Array(32)), label: "" } } } };
    expect(judge(signed([a]), 1, low)).toBe("key_unsafe");
  });

  test("threshold_not_met: a root that lists one public key under two ids still counts it once (attack 12)", () => {
    const root = rootWith(2);
    const twin = { payload: { ...root.payload, keys: { ...root.payload.keys, [b.keyId]: { public: spellKey(a.publicKey), label: "twin" } } } };
    const doubled = { ...signed([a]), signatures: [...signed([a]).signatures, ...signed([a]).signatures.map(({ sig }) => ({ keyid: b.keyId, sig }))] };
    expect(judge(doubled, 2, twin)).toBe("threshold_not_met");
  });

  test("who signed is told, strangers left out", () => {
    const both = valueOf(addSignature(signed([a, b]), "host-cert", testKey("stranger")));
    const verified = valueOf(verifyByRole({ envelope: both, type: "host-cert", root: rootWith(1), role: "admit", schema: hostCertPayload }));
    expect(verified.signers.toSorted()).toEqual([a.keyId, b.keyId].toSorted());
  });
});

describe("attack 6: another spelling of the same payload does not verify", () => {
  const text = JSON.stringify(payload);
  const original = signEnvelope("host-cert", utf8(text), [a]);
  for (const [what, spelled] of [
    ["white space", text.replace(":", ": ")],
    ["an escape", text.replace("box", "\\u0062ox")],
    ["key order", JSON.stringify(Object.fromEntries(Object.entries(payload).reverse()))],
    ["a final line feed", `${text}\n`],
  ] as const) {
    test(`signature_bad: ${what}`, () => expect(judge({ ...original, payload: Buffer.from(spelled).toString("base64") })).toBe("signature_bad"));
  }
});

describe("by one key", () => {
  const judgeKey = (envelope: Envelope, publicKey = a.publicKey) => refusalOf(verifyByKey({ envelope, type: "host-cert", publicKey, schema: hostCertPayload }));
  test("accepted: its signature, strangers beside it or not", () => {
    expect(judgeKey(signed([a]))).toBe("accepted");
    expect(judgeKey(signed([b, a]))).toBe("accepted");
  });
  test("key_unknown: another key's signature (attack 10)", () => expect(judgeKey(signed([b]))).toBe("key_unknown"));
  test("signature_bad: its id on another's signature", () =>
    expect(judgeKey({ ...signed([b]), signatures: signed([b]).signatures.map(({ sig }) => ({ keyid: a.keyId, sig })) })).toBe("signature_bad"));
  test("key_unsafe: asked for a key of low order", () => expect(judgeKey(signed([a]), new Uint8Array(32))).toBe("key_unsafe"));
  test("signature_bad: asked for a key that is no point of the curve, whatever the signature", () => {
    const isPoint = (key: Uint8Array): boolean => checkPublicKey(key).ok;
    const keys = Array.from({ length: 64 }, (_, at) => new Uint8Array(32).fill(at + 2)).filter((key) => !isPoint(key));
    expect(keys.length).toBeGreaterThan(20);
    for (const key of keys) {
      const own = signed([a]).signatures.map(({ sig }) => ({ keyid: keyIdOf(key), sig }));
      expect(judgeKey({ ...signed([a]), signatures: own }, key)).toBe("signature_bad");
    }
  });
  test("payload_schema: after the signature", () => expect(judgeKey(signed([a], { extra: 1 }))).toBe("payload_schema"));

  test("beside the event loop the verdict is the same, and the filter stands before what is asked there", async () => {
    const asked: Uint8Array[] = [];
    const aside = async (envelope: Envelope, publicKey = a.publicKey) => {
      const ask = { envelope, type: "host-cert", publicKey, schema: hostCertPayload } as const;
      const verdict = await verifyByKeyAside(ask, async (key, bytes, signature) => {
        asked.push(key);
        return verifySignature(key, bytes, signature);
      });
      expect(verdict).toEqual(verifyByKey(ask));
      return refusalOf(verdict);
    };
    expect(await aside(signed([b, a]))).toBe("accepted");
    expect(await aside(signed([b]))).toBe("key_unknown");
    const wrong = signed([b]).signatures.map(({ sig }) => ({ keyid: a.keyId, sig }));
    expect(await aside({ ...signed([b]), signatures: wrong })).toBe("signature_bad");
    // One bad one beside a good one by the same key refuses all.
    expect(await aside({ ...signed([a]), signatures: [...signed([a]).signatures, ...wrong] })).toBe("signature_bad");
    expect(await aside(signed([a], { extra: 1 }))).toBe("payload_schema");
    const before = asked.length;
    expect(await aside(signed([a]), new Uint8Array(32))).toBe("key_unsafe");
    const lowOrderR = signed([a]).signatures.map(({ keyid }) => ({ keyid, sig: Buffer.alloc(64).toString("base64") }));
    expect(await aside({ ...signed([a]), signatures: lowOrderR })).toBe("signature_bad");
    expect(asked.length).toBe(before);
  });
});

test("a fleet's test double is a real fleet", () => {
  expect(testFleet().identity(host).hostId).toBe(host.hostId);
});

test("every refusal code is named by a test of its own", () => {
  const tests = readdirSync(import.meta.dir)
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => readFileSync(`${import.meta.dir}/${name}`, "utf8"))
    .join("\n");
  // In a title ("code: what"), or as the expected value of a table's row.
  // Those of ops are judged, and tested, where ops are.
  const judgedHere = Object.keys(REFUSALS).filter((code) => !code.startsWith("op_"));
  const unnamed = judgedHere.filter((code) => !new RegExp(`["\`]${code}(?:: |",)`).test(tests));
  expect(unnamed).toEqual([]);
});
