/**
 * The attacks of the catalogue on ops, by their numbers, each as the box meets it: whole envelopes into `admit`. 11, 16, 17, 66 and 72
 * stand beside the code they are about (`op.test.ts`, `catalogue.test.ts`), 12, 13 and 20 with keys and roots, 18 in `sign-flow.test.ts`.
 * 61 to 65 are about hubs among themselves, and 67 to 71 about enrollment: what of them touches an op is here.
 */
import { describe, expect, test } from "bun:test";
import { base64, concat, utf8 } from "../../../shared/core/bytes.ts";
import { sha256 } from "../../../shared/core/sha256.ts";
import { openTargets } from "../../../shared/ops/op-target.ts";
import { testFleetId, testHost, testKey, testRootPayload, valueOf } from "../../../shared/sim/test-fleet.ts";
import {
  OP_ISSUED_MS,
  OP_NOW_MS,
  opBytes,
  operatorKeys,
  opHost,
  opPayloadOf,
  opRoot,
  opSubject,
  signAnything,
  strangerKey,
} from "../../../shared/sim/test-op.ts";
import { encodeEnvelope, type Envelope, pae, signEnvelope } from "../../../shared/trust/envelope.ts";
import { sign, spellKey } from "../../../shared/trust/keys.ts";
import { unsignedOp } from "../../../shared/trust/op.ts";
import { payloadType, rootPayload } from "../../../shared/trust/payloads.ts";
import { verifyNextRoot } from "../../../shared/trust/root.ts";
import { signPayload } from "../../../shared/trust/sign-payload.ts";
import { admit, type AdmissionSite } from "./admit.ts";
import { OPEN_POLICY } from "./policy.ts";

const { anna, bela } = operatorKeys;
const site: AdmissionSite = {
  root: opRoot(),
  subject: opSubject,
  expressions: await openTargets(),
  nowMs: OP_NOW_MS,
  localTime: { day: 5, minute: 600 },
  floorMs: 0,
  ledgerFromMs: 0,
  ledger: { is: "sound" },
  policy: { is: "sound", policy: OPEN_POLICY },
  seen: () => false,
  obstacle: () => undefined,
};
const codeOf = (bytes: Uint8Array, changes: Partial<AdmissionSite> = {}): string => {
  const admission = admit(bytes, { ...site, ...changes });
  return admission.is === "refused" ? admission.code : admission.is;
};
const signedText = (text: string): Uint8Array => encodeEnvelope(signEnvelope("op", utf8(text), [anna]));
const text = JSON.stringify(opPayloadOf("service.restart"));
const envelope = signAnything(opPayloadOf("service.restart"), [anna]);
const DAY_MS = 86_400_000;

describe("replay and aim", () => {
  test("attack 1: the same op again, after a restart, and after the ledger was put back or lost", () => {
    const bytes = opBytes("cmd.run");
    const { id, nonce } = opPayloadOf("cmd.run");
    const ledger = new Set<string>();
    const seen: AdmissionSite["seen"] = (opId, opNonce) => ledger.has(opId) || ledger.has(opNonce);
    expect(codeOf(bytes, { seen })).toBe("admitted");
    ledger.add(id).add(nonce);
    expect(codeOf(bytes, { seen })).toBe("op_replayed");
    // Its id alone, or its nonce alone, is enough.
    expect([codeOf(opBytes("cmd.run", { id: "o-bbbbbbbbbbbbbbbb" }), { seen }), codeOf(opBytes("cmd.run", { nonce: "A".repeat(43) }), { seen })]).toEqual([
      "op_replayed",
      "op_replayed",
    ]);
    expect(codeOf(bytes, { ledger: { is: "behind", incident: "i" } })).toBe("op_ledger_unsafe");
    expect(codeOf(bytes, { ledger: { is: "damaged", incident: "i" } })).toBe("op_ledger_unsafe");
    expect(codeOf(bytes, { ledgerFromMs: OP_ISSUED_MS })).toBe("below_floor");
    // Pruned from the ledger: only when it can no longer be admitted anyway.
    expect(codeOf(bytes, { floorMs: OP_ISSUED_MS + 3_600_000 })).toBe("below_floor");
  });
  test("attack 2: an op for another host, guest or fleet", () => {
    const other = testHost("other").hostId;
    expect(codeOf(opBytes("cmd.run", { target: { host_id: other } }))).toBe("op_target_mismatch");
    expect(codeOf(opBytes("guest.stop", { target: { host_id: other, guest_id: "vm-104" } }))).toBe("op_target_mismatch");
    expect(codeOf(opBytes("cmd.run", { target: { expr: "label.role == 'db'" } }))).toBe("op_target_mismatch");
    expect(codeOf(opBytes("cmd.run", { fleet_id: testFleetId("two") }))).toBe("fleet_mismatch");
    // The hub's own idea of this host's name or labels is not asked: only the certificate's.
    expect(codeOf(opBytes("cmd.run", { target: { expr: "host.name == 'kovacs-2'" } }))).toBe("op_target_mismatch");
  });
  test("attack 3: what a hub holds back grows old, and is worth nothing then", () => {
    expect(codeOf(opBytes("cmd.run"), { nowMs: OP_ISSUED_MS + 3_600_000 })).toBe("expired");
    // Not even to a box whose clock was turned back, once it has seen anything newer.
    expect(codeOf(opBytes("cmd.run"), { nowMs: OP_NOW_MS, floorMs: OP_ISSUED_MS + 4_000_000 })).toBe("below_floor");
  });
});

describe("one text, one meaning", () => {
  test("attack 4: times that are over, ahead, upside down, too long, no numbers", () => {
    const times = (issued_at: unknown, expires_at: unknown) => codeOf(opBytes("cmd.run", { issued_at, expires_at }));
    expect(times(OP_ISSUED_MS - DAY_MS, OP_ISSUED_MS - 1)).toBe("expired");
    expect(times(OP_NOW_MS + 300_001, OP_NOW_MS + 400_000)).toBe("from_future");
    expect(times(OP_ISSUED_MS, OP_ISSUED_MS)).toBe("payload_schema");
    expect(times(OP_ISSUED_MS, OP_ISSUED_MS - 1)).toBe("payload_schema");
    expect(times(OP_ISSUED_MS, OP_ISSUED_MS + 10 * 365 * DAY_MS)).toBe("lifetime_too_long");
    expect(times(OP_ISSUED_MS, OP_ISSUED_MS + 200 * 365 * DAY_MS)).toBe("payload_schema");
    expect(times(OP_ISSUED_MS, OP_ISSUED_MS + 30 * DAY_MS + 1)).toBe("lifetime_too_long");
    for (const wrong of ["1", 1.5, -1, null, true, [], OP_ISSUED_MS + 0.5]) expect(times(wrong, OP_ISSUED_MS + 1_000)).toBe("payload_schema");
    expect(codeOf(signedText(text.replace(/"expires_at":\d+/, '"expires_at":9007199254740993')))).toBe("payload_unsafe_number");
  });
  test("attack 5: keys given twice, at the top and inside params", () => {
    expect(codeOf(signedText(text.replace("{", '{"kind":"ping",')))).toBe("payload_duplicate_key");
    expect(codeOf(signedText(text.replace('"params":{', '"params":{"name":"sshd",')))).toBe("payload_duplicate_key");
    expect(codeOf(signedText(text.replace('"host_id":', '"host_id":"h-aaaaaaaaaaaaaaaa","host_id":')))).toBe("payload_duplicate_key");
    expect(codeOf(signedText(text.replace('"kind":', '"k\\u0069nd":"ping","kind":')))).toBe("payload_duplicate_key");
  });
  test("attack 6: other spellings of the same are read as what they say, from the signed bytes only, or refused", () => {
    expect(codeOf(signedText(` ${text.replace("service", "\\u0073ervice")} `))).toBe("admitted");
    for (const number of ["1.0", "1e0", "-0", "01", "1E400", "0x1"]) expect(codeOf(signedText(text.replace('"v":1', `"v":${number}`)))).toMatch(/^payload_/);
    // Re-spelled on the way, the signature is over other bytes.
    expect(codeOf(encodeEnvelope({ ...envelope, payload: base64(utf8(` ${text}`)) }))).toBe("signature_bad");
  });
  test("attack 7: lone surrogates, look-alikes and hidden letters in ids, kinds and names", () => {
    for (const kind of ["ѕervice.restart", "service.restart\u200b", "Service.restart", "service.restart ", "service．restart"])
      expect(codeOf(opBytes("service.restart", { kind }))).toBe("payload_schema");
    for (const name of ["nginх", "ngin\u202ex", "caf\u00e9", "cafe\u0301"]) expect(codeOf(opBytes("service.restart", { params: { name } }))).toBe("op_params");
    expect(codeOf(signedText(text.replace("nginx", "\\ud800")))).toBe("payload_not_utf8");
    expect(codeOf(opBytes("service.restart", { target: { host_id: opHost.hostId.toUpperCase() } }))).toBe("payload_schema");
  });
  test("attack 8: unknown fields, other versions, and what was signed as something else", () => {
    expect(codeOf(opBytes("cmd.run", { sudo: true }))).toBe("payload_schema");
    expect(codeOf(opBytes("cmd.run", { target: { host_id: opHost.hostId, expr: "true" } }))).toBe("payload_schema");
    for (const v of [0, 2, "1", null]) expect(codeOf(opBytes("cmd.run", { v }))).toBe("payload_bad_version");
    expect(codeOf(signedText(text.replace('"v":1,', "")))).toBe("payload_bad_version");
    for (const type of ["report", "return", "bundle", "root", "release"] as const) {
      const other = signEnvelope(type, utf8(text), [anna]);
      expect([codeOf(encodeEnvelope(other)), codeOf(encodeEnvelope({ ...other, payloadType: payloadType("op") }))]).toEqual(["wrong_type", "signature_bad"]);
    }
  });
  test("attack 31: __proto__ and its kin in params name nothing and leave nothing behind", () => {
    expect(codeOf(signedText(text.replace('"params":{', '"params":{"__proto__":{"name":"sshd"},')))).toBe("payload_schema");
    for (const key of ["constructor", "toString", "hasOwnProperty"]) {
      expect(codeOf(opBytes("service.restart", { params: { name: "nginx", [key]: 1 } }))).toBe("op_params");
      expect(codeOf(opBytes("service.restart", { kind: key.toLowerCase() }))).toBe("op_kind_unknown");
      expect(codeOf(opBytes("cmd.run", { target: { expr: `has(label.${key})` } }))).toBe("op_target_mismatch");
    }
  });
  test("attack 32: a megabyte of nesting, of keys or of digits is refused in bounded time", () => {
    for (const huge of [
      '{"v":'.repeat(150_000),
      `{"v":1,"a":${"9".repeat(900_000)}}`,
      `{${Array.from({ length: 60_000 }, (_, at) => `"k${at}":1`).join(",")}}`,
    ]) {
      const startedMs = performance.now();
      expect(codeOf(signedText(huge))).toMatch(/^payload_/);
      expect(performance.now() - startedMs).toBeLessThan(1_000);
    }
    expect(codeOf(signedText(`${text}${" ".repeat(1024 * 1024)}`))).toBe("envelope_too_large");
  });
});

describe("keys and signatures", () => {
  const bytes = utf8(text);
  const withSignature = (sig: Uint8Array, keyid: string = anna.keyId): Uint8Array => encodeEnvelope({ ...envelope, signatures: [{ keyid, sig: base64(sig) }] });
  test("attack 9: only the one mode counts: not the bare payload, not its hash, not another encoding", () => {
    expect(codeOf(withSignature(sign(anna, bytes)))).toBe("signature_bad");
    expect(codeOf(withSignature(sign(anna, sha256(bytes))))).toBe("signature_bad");
    expect(codeOf(withSignature(sign(anna, concat(utf8(payloadType("op")), bytes))))).toBe("signature_bad");
    expect(codeOf(withSignature(sign(anna, pae(payloadType("op"), utf8(envelope.payload)))))).toBe("signature_bad");
    expect(codeOf(withSignature(sign(anna, pae(payloadType("op"), bytes))))).toBe("admitted");
  });
  test("attack 10: a key that comes along is not asked", () => {
    const mine = signAnything(opPayloadOf("service.restart"), [strangerKey]);
    const claimed: unknown = {
      ...mine,
      signatures: mine.signatures.map((signature) => ({ ...signature, public: spellKey(strangerKey.publicKey) })),
      keys: { [strangerKey.keyId]: spellKey(strangerKey.publicKey) },
    };
    expect(codeOf(utf8(JSON.stringify(claimed)))).toBe("key_unknown");
    expect(codeOf(encodeEnvelope({ ...mine, signatures: mine.signatures.map(({ sig }) => ({ keyid: anna.keyId, sig })) }))).toBe("signature_bad");
  });
  test("attack 14: a signature that was stretched, cut, or had the order added to S", () => {
    const good = new Uint8Array(Buffer.from(envelope.signatures[0]?.sig ?? "", "base64"));
    for (const sig of [good.subarray(0, 63), concat(good, Uint8Array.of(0)), new Uint8Array(0)]) expect(codeOf(withSignature(sig))).toBe("envelope_malformed");
    expect(codeOf(withSignature(plusOrder(good)))).toBe("signature_bad");
    expect(codeOf(withSignature(new Uint8Array(64)))).toBe("signature_bad");
    expect(codeOf(encodeEnvelope({ ...envelope, signatures: envelope.signatures.map(({ keyid, sig }) => ({ keyid, sig: `${sig}\n` })) }))).toBe(
      "envelope_malformed",
    );
  });
  test("attack 15: parts of two ops put together are neither", () => {
    const other = signAnything(opPayloadOf("host.reboot"), [bela]);
    expect(codeOf(encodeEnvelope({ ...envelope, signatures: other.signatures }))).toBe("signature_bad");
    expect(codeOf(encodeEnvelope({ ...envelope, payload: other.payload }))).toBe("signature_bad");
    // One good signature does not carry a bad one along.
    expect(codeOf(encodeEnvelope({ ...envelope, signatures: [...envelope.signatures, ...other.signatures] }))).toBe("signature_bad");
  });
  test("attack 19: a key that was taken away signs nothing, however it dates it", () => {
    const root = opRoot();
    const { operate } = root.payload.roles;
    const next = {
      ...root.payload,
      version: 2,
      roles: { ...root.payload.roles, operate: { ...operate, keys: [bela.keyId] }, destroy: { keys: [bela.keyId], threshold: 1 } },
    };
    const after = valueOf(verifyNextRoot(root, signPayload("root", rootPayload, next, [anna])));
    for (const issued_at of [1_000, OP_ISSUED_MS - DAY_MS, OP_ISSUED_MS])
      expect(codeOf(opBytes("cmd.run", { issued_at }), { root: after })).toBe("key_unknown");
  });
  test("attack 20: a root that skips ahead does not bring its keys along", () => {
    const mallory = testKey("mallory");
    const far = signPayload("root", rootPayload, testRootPayload([mallory], { version: 1_000_000, fleet_id: testFleetId("one") }), [mallory, anna]);
    expect(verifyNextRoot(opRoot(), far)).toMatchObject({ ok: false, refusal: "version_step" });
    expect(codeOf(opBytes("cmd.run", {}, [mallory]))).toBe("key_unknown");
  });
});

describe("between hubs and hosts", () => {
  test("attack 61: one bit anywhere – body, type, signer, times, nonce, target – is refused", () => {
    const bytes = encodeEnvelope(envelope);
    for (let at = 0; at < bytes.byteLength; at += 1) {
      const flipped = new Uint8Array(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      expect([at, codeOf(flipped)]).not.toEqual([at, "admitted"]);
    }
  });
  test("attack 62: what was said to one host, or signed by one, is no instruction to another", () => {
    const reflected: Envelope = signEnvelope("op", utf8(text), [opHost.signingKey]);
    expect(codeOf(encodeEnvelope(reflected))).toBe("key_unknown");
  });
  test("attacks 63 and 64: no algorithm, key or version can be chosen by who sends it", () => {
    for (const extra of [{ alg: "none" }, { algorithm: "hmac" }, { v: 0 }])
      expect(codeOf(utf8(JSON.stringify({ ...envelope, ...extra, signatures: [{ keyid: anna.keyId, sig: "" }] })))).toBe("envelope_malformed");
    expect(codeOf(utf8(JSON.stringify({ ...envelope, signatures: [] })))).toBe("envelope_malformed");
  });
  test("attack 65: unsigned ops take no rows, so that a flood of them uses up no id and no disk", () => {
    const unsigned = encodeEnvelope(unsignedOp(utf8(JSON.stringify(opPayloadOf("ping")))));
    expect(admit(unsigned, site)).toMatchObject({ is: "admitted", ledger: "skip", floorMs: 0 });
    expect(admit(opBytes("ping"), site)).toMatchObject({ is: "admitted", ledger: "commit", floorMs: OP_ISSUED_MS });
  });
  test("attack 68: what a box signs in answer to a challenge is no op", () => {
    const statement = utf8(JSON.stringify({ v: 1, purpose: "felhom enroll", challenge_id: "c", nonce: "n" }));
    expect(codeOf(withBytes(statement, sign(anna, statement)))).toBe("signature_bad");
  });
  test("attack 73: a new key for a host takes the operators of the role destroy, not the host's old key", () => {
    expect(codeOf(opBytes("host.rekey", {}, [opHost.signingKey]))).toBe("key_unknown");
    expect(codeOf(opBytes("host.rekey", {}, [anna]))).toBe("threshold_not_met");
    expect(codeOf(opBytes("host.rekey", {}, [anna, bela]))).toBe("admitted");
  });
});

function withBytes(payload: Uint8Array, sig: Uint8Array): Uint8Array {
  return encodeEnvelope({ payload: base64(payload), payloadType: payloadType("op"), signatures: [{ keyid: anna.keyId, sig: base64(sig) }] });
}

/** S + L, which the equation takes and RFC 8032 refuses. */
function plusOrder(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  const s = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString("hex")}`) + order;
  return concat(signature.subarray(0, 32), new Uint8Array(Buffer.from(s.toString(16).padStart(64, "0"), "hex").reverse()));
}
