import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { base64, fromUtf8, utf8 } from "../core/bytes.ts";
import { refusalOf, testFleet, testHost, testKey, valueOf } from "../sim/test-fleet.ts";
import { addSignature, encodeEnvelope, ENVELOPE_BYTES_MAX, type Envelope, openEnvelope, pae, parseEnvelope, signEnvelope } from "./envelope.ts";
import { verifyHostCert } from "./host-identity.ts";
import { PAYLOAD_BYTES_MAX } from "./payloads.ts";

const fleet = testFleet();
const cert = fleet.cert(testHost("a"), { labels: { site: "gyor" } });

test("PAE is DSSE's own example", () => {
  expect(fromUtf8(pae("http://example.com/HelloWorld", utf8("hello world")))).toBe("DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  expect(fromUtf8(pae("", new Uint8Array()))).toBe("DSSEv1 0  0 ");
});

test("what is encoded is parsed back the same", () => {
  expect(valueOf(parseEnvelope(encodeEnvelope(cert)))).toEqual(cert);
});

describe("an envelope is refused with", () => {
  const [signature] = cert.signatures;
  const changed = (changes: object): Uint8Array => utf8(JSON.stringify({ ...cert, ...changes }));
  const malformed: readonly (readonly [what: string, bytes: Uint8Array])[] = [
    ["no JSON", utf8("DSSE")],
    ["a list", utf8("[]")],
    ["bytes after the end", utf8(`${fromUtf8(encodeEnvelope(cert))}{}`)],
    ["payload twice", utf8(fromUtf8(encodeEnvelope(cert)).replace('"payload":', '"payload":"YQ==","payload":'))],
    ["no payload", changed({ payload: undefined })],
    ["a payload that is a number", changed({ payload: 1 })],
    ["payload in base64url", changed({ payload: "_-_-" })],
    ["payload without padding", changed({ payload: "YQ" })],
    ["payload with stray bits", changed({ payload: "YR==" })],
    ["payload with a line feed", changed({ payload: `${cert.payload.slice(0, 4)}\n${cert.payload.slice(4)}` })],
    ["no signatures", changed({ signatures: [] })],
    ["17 signatures", changed({ signatures: Array.from({ length: 17 }, () => signature) })],
    ["a signature of 63 bytes (attack 14)", changed({ signatures: [{ keyid: "a", sig: base64(new Uint8Array(63)) }] })],
    ["a signature of 65 bytes (attack 14)", changed({ signatures: [{ keyid: "a", sig: base64(new Uint8Array(65)) }] })],
    ["a signature without key id", changed({ signatures: [{ sig: signature?.sig }] })],
  ];
  for (const [what, bytes] of malformed) test(`envelope_malformed: ${what}`, () => expect(refusalOf(parseEnvelope(bytes))).toBe("envelope_malformed"));

  test("envelope_too_large: before it is parsed, and by type", () => {
    expect(refusalOf(parseEnvelope(new Uint8Array(ENVELOPE_BYTES_MAX + 1)))).toBe("envelope_too_large");
    const large = signEnvelope("host-cert", new Uint8Array(PAYLOAD_BYTES_MAX["host-cert"] + 1), [testKey("a")]);
    expect(refusalOf(openEnvelope(large, "host-cert"))).toBe("envelope_too_large");
    expect(refusalOf(openEnvelope(signEnvelope("host-cert", new Uint8Array(PAYLOAD_BYTES_MAX["host-cert"]), [testKey("a")]), "host-cert"))).toBe("accepted");
  });

  test("wrong_type: one type offered as another (attack 8), and a type that only looks alike", () => {
    expect(refusalOf(openEnvelope(cert, "root"))).toBe("wrong_type");
    for (const payloadType of ["application/vnd.felhom.host-cert+json ", "Application/vnd.felhom.host-cert+json", "host-cert", ""])
      expect(refusalOf(openEnvelope({ ...cert, payloadType }, "host-cert"))).toBe("wrong_type");
  });
});

test("unknown members are ignored, as DSSE asks", () => {
  const extended = utf8(JSON.stringify({ ...cert, note: "by the courier", signatures: cert.signatures.map((signature) => ({ ...signature, cert: "x" })) }));
  expect(valueOf(parseEnvelope(extended))).toEqual(cert);
});

test("a second signature by the same key takes the place of its first", () => {
  const twice = valueOf(addSignature(cert, "host-cert", fleet.key));
  expect(twice.signatures).toHaveLength(1);
  expect(valueOf(addSignature(cert, "host-cert", testKey("other"))).signatures).toHaveLength(2);
  expect(refusalOf(addSignature(cert, "grant", fleet.key))).toBe("wrong_type");
});

test("any single-byte change of a signed envelope is refused: 100 000 of them", () => {
  const bytes = encodeEnvelope(cert);
  const accepts = (changed: Uint8Array): boolean => {
    const parsed = parseEnvelope(changed);
    return parsed.ok && verifyHostCert(parsed.value, fleet.root).ok;
  };
  expect(accepts(bytes)).toBe(true);
  fc.assert(
    fc.property(fc.nat({ max: bytes.byteLength - 1 }), fc.integer({ min: 1, max: 255 }), (at, xor) => {
      const changed = new Uint8Array(bytes);
      changed[at] = (changed[at] ?? 0) ^ xor;
      return !accepts(changed);
    }),
    { numRuns: 100_000 },
  );
}, 240_000);

test("any byte removed, doubled or inserted leaves the same payload or is refused", () => {
  const bytes = encodeEnvelope(cert);
  const accepts = (changed: Uint8Array): Envelope | undefined => {
    const parsed = parseEnvelope(changed);
    return parsed.ok && verifyHostCert(parsed.value, fleet.root).ok ? parsed.value : undefined;
  };
  fc.assert(
    fc.property(fc.nat({ max: bytes.byteLength - 1 }), fc.nat({ max: 255 }), fc.constantFrom("remove", "double", "insert"), (at, byte, how) => {
      const middle = how === "remove" ? [] : how === "double" ? [bytes[at] ?? 0, bytes[at] ?? 0] : [byte, bytes[at] ?? 0];
      const changed = new Uint8Array([...bytes.subarray(0, at), ...middle, ...bytes.subarray(at + 1)]);
      const accepted = accepts(changed);
      return accepted === undefined || accepted.payload === cert.payload;
    }),
    { numRuns: 10_000 },
  );
}, 240_000);
