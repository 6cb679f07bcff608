import { describe, expect, test } from "bun:test";
import { base64, utf8 } from "../core/bytes.ts";
import { refusalOf, testFleet, testHost, testKey, valueOf } from "../sim/test-fleet.ts";
import { operatorKeys, opPayloadOf, opRoot, OP_NOW_MS, signAnything, strangerKey } from "../sim/test-op.ts";
import { sha256Hex as sha256Field } from "../protocol/fields.ts";
import { addSignature, signEnvelope } from "./envelope.ts";
import { isUnsigned, readDraft, shortDigest, signReturn, standingOf, unsignedOp, verifyOp, verifyReturn } from "./op.ts";
import { payloadType, type ReturnPayload, returnPayload } from "./payloads.ts";
import { signPayload } from "./sign-payload.ts";

const { anna, bela, cili } = operatorKeys;
const root = opRoot();
const bytes = utf8(JSON.stringify(opPayloadOf("host.shutdown")));

describe("how far signatures go", () => {
  const standing = (...signatures: Parameters<typeof standingOf>[1]) => standingOf(bytes, signatures, "destroy", root);
  const by = (key: typeof anna, of = bytes) => signEnvelope("op", of, [key]).signatures;
  test("each key of the role counts once, and only on exactly these bytes", () => {
    expect(standing(...by(anna), ...by(anna))).toMatchObject({ role: "destroy", threshold: 2, signers: [anna.keyId] });
    expect(standing(...by(bela), ...by(anna)).signers).toEqual([anna.keyId, bela.keyId]);
    expect(standing(...by(anna, utf8("{}")))).toMatchObject({ signers: [], ignored: [anna.keyId] });
    expect(standing(...by(strangerKey))).toMatchObject({ signers: [], ignored: [strangerKey.keyId] });
    expect(standing({ keyid: anna.keyId, sig: "" }, ...by(anna)).signers).toEqual([anna.keyId]);
    expect(standing(...Array.from({ length: 40 }, () => ({ keyid: "x", sig: "y" })), ...by(anna)).signers).toEqual([]);
  });
  test("attack 11: one key under two names in one envelope is one approver", () => {
    const envelope = signAnything(opPayloadOf("host.shutdown"), [anna]);
    const [first] = envelope.signatures;
    const twice = { ...envelope, signatures: [...envelope.signatures, ...(first === undefined ? [] : [{ keyid: bela.keyId, sig: first.sig }])] };
    expect(refusalOf(verifyOp({ envelope: twice, root }))).toBe("signature_bad");
    expect(refusalOf(verifyOp({ envelope: { ...envelope, signatures: [...envelope.signatures, ...envelope.signatures] }, root }))).toBe("threshold_not_met");
  });
  test("what was collected one by one is what a box takes", () => {
    const one = signEnvelope("op", bytes, [cili]);
    expect(refusalOf(verifyOp({ envelope: one, root }))).toBe("threshold_not_met");
    const both = valueOf(addSignature(one, "op", anna));
    expect(valueOf(verifyOp({ envelope: both, root })).signers).toEqual([anna.keyId, cili.keyId]);
  });
  test("a draft is read like a signed op, kind and params too", () => {
    const read = (change: Readonly<Record<string, unknown>>) => refusalOf(readDraft(utf8(JSON.stringify(opPayloadOf("service.restart", change))), root));
    expect([
      read({}),
      read({ kind: "host.paint" }),
      read({ params: {} }),
      read({ fleet_id: testFleet("two").root.payload.fleet_id }),
      read({ expires_at: 1 }),
      read({ sudo: 1 }),
    ]).toEqual(["accepted", "op_kind_unknown", "op_params", "fleet_mismatch", "payload_schema", "payload_schema"]);
  });
  test("sixteen digits of a digest, in fours", () => expect(shortDigest("8e41c09b77d21f60".padEnd(64, "0"))).toBe("8e41 c09b 77d2 1f60"));
});

describe("an unsigned op", () => {
  test("is known by its one mark, and no key can ever have that id", () => {
    expect([isUnsigned(unsignedOp(bytes)), isUnsigned(signEnvelope("op", bytes, [anna]))]).toEqual([true, false]);
    expect(unsignedOp(bytes)).toMatchObject({ payloadType: payloadType("op"), signatures: [{ keyid: "unsigned" }] });
    expect(refusalOf(verifyOp({ envelope: unsignedOp(bytes), root }))).toBe("key_unknown");
    expect(valueOf(verifyOp({ envelope: unsignedOp(utf8(JSON.stringify(opPayloadOf("ping")))), root }))).toMatchObject({ signers: [], class: "read" });
  });
});

describe("returns", () => {
  const fleet = testFleet();
  const [one, two] = [testHost("one"), testHost("two")];
  const identity = fleet.identity(one);
  const asked = { id: opPayloadOf("ping").id, sha256: sha256Field.parse("ab".repeat(32)) };
  const answer: ReturnPayload = {
    v: 1,
    fleet_id: fleet.root.payload.fleet_id,
    host_id: one.hostId,
    op_id: asked.id,
    op_sha256: asked.sha256,
    part: 0,
    state: "done",
    at: OP_NOW_MS,
    stdout: base64(utf8("hello\n")),
    data: { version: "1" },
  };
  test("what a host signed for this op is taken", () => expect(valueOf(verifyReturn(signReturn(answer, one.signingKey), identity, asked))).toEqual(answer));
  test("attack 72: nobody answers for another host", () => {
    expect(refusalOf(verifyReturn(signReturn(answer, two.signingKey), identity, asked))).toBe("key_unknown");
    expect(refusalOf(verifyReturn(signReturn(answer, two.signingKey), fleet.identity(two), asked))).toBe("host_mismatch");
    expect(refusalOf(verifyReturn(signReturn({ ...answer, host_id: two.hostId }, one.signingKey), identity, asked))).toBe("host_mismatch");
  });
  test("an answer can't be moved to another op: neither its id nor its bytes", () => {
    expect(refusalOf(verifyReturn(signReturn(answer, one.signingKey), identity, { ...asked, id: "o-bbbbbbbbbbbbbbbb" }))).toBe("op_mismatch");
    expect(refusalOf(verifyReturn(signReturn(answer, one.signingKey), identity, { ...asked, sha256: "cd".repeat(32) }))).toBe("op_mismatch");
  });
  test("another fleet's, another type's, an altered one", () => {
    const other = testFleet("two");
    expect(refusalOf(verifyReturn(signReturn({ ...answer, fleet_id: other.root.payload.fleet_id }, one.signingKey), identity, asked))).toBe("fleet_mismatch");
    expect(refusalOf(verifyReturn(signPayload("report", returnPayload, answer, [one.signingKey]), identity, asked))).toBe("wrong_type");
    const signed = signReturn(answer, one.signingKey);
    const altered = { ...signed, payload: base64(utf8(JSON.stringify({ ...answer, state: "failed" }))) };
    expect(refusalOf(verifyReturn(altered, identity, asked))).toBe("signature_bad");
  });
  test("attack 66: the hub saying that a host said so is worth nothing", () => {
    expect(refusalOf(verifyReturn(signReturn(answer, testKey("hub")), identity, asked))).toBe("key_unknown");
  });
});
