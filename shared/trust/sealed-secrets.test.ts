import { describe, expect, test } from "bun:test";
import sodium from "libsodium-wrappers";
import { base64, concat, fromBase64, hex, utf8 } from "../core/bytes.ts";
import { refusalOf, testBoxKey, testFleet, testHost, valueOf } from "../sim/test-fleet.ts";
import { verifyHeldBundle } from "./bundle.ts";
import { checkBoxKey } from "./keys.ts";
import type { BundlePayload } from "./payloads.ts";
import { loadSealedBox, SEAL_OVERHEAD_BYTES } from "./sealed-box.ts";
import { openSecrets, sealSecrets } from "./sealed-secrets.ts";

const box = await loadSealedBox();
const ephemeralSeed = testBoxKey("ephemeral").seed;
const receiver = testBoxKey("receiver");

describe("a sealed box", () => {
  test("is libsodium's: each opens what the other sealed", () => {
    const ours = valueOf(box.seal(utf8("a secret"), receiver.publicKey, ephemeralSeed));
    expect(sodium.to_string(sodium.crypto_box_seal_open(ours, receiver.publicKey, receiver.seed))).toBe("a secret");
    expect(valueOf(box.open(sodium.crypto_box_seal("their secret", receiver.publicKey), receiver))).toEqual(utf8("their secret"));
  });
  test("is fixed by its inputs, and empty messages are fine", () => {
    expect(hex(valueOf(box.seal(utf8("x"), receiver.publicKey, ephemeralSeed)))).toBe(hex(valueOf(box.seal(utf8("x"), receiver.publicKey, ephemeralSeed))));
    const empty = valueOf(box.seal(new Uint8Array(), receiver.publicKey, ephemeralSeed));
    expect([empty.byteLength, valueOf(box.open(empty, receiver)).byteLength]).toEqual([SEAL_OVERHEAD_BYTES, 0]);
  });
  test("key_unsafe: attack 22, sealing to 0, 1 and every other low-order or non-canonical key", () => {
    for (const point of lowOrder()) {
      expect(refusalOf(checkBoxKey(point))).toBe("key_unsafe");
      expect(refusalOf(box.seal(utf8("x"), point, ephemeralSeed))).toBe("key_unsafe");
    }
  });
  test("secret_unopenable: attacks 25 and 27, any bit changed, any truncation, another key, and always the same words", () => {
    const sealed = valueOf(box.seal(utf8("a secret"), receiver.publicKey, ephemeralSeed));
    const said = new Set<string>();
    const judge = (bytes: Uint8Array, key = receiver) => {
      const verdict = box.open(bytes, key);
      if (!verdict.ok) said.add(`${verdict.refusal}: ${verdict.detail}`);
      return refusalOf(verdict);
    };
    for (let bit = 0; bit < sealed.byteLength * 8; bit += 1) {
      const changed = new Uint8Array(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(judge(changed)).toBe("secret_unopenable");
    }
    for (let length = 0; length < sealed.byteLength; length += 1) expect(judge(sealed.subarray(0, length))).toBe("secret_unopenable");
    expect(judge(concat(sealed, new Uint8Array(1)))).toBe("secret_unopenable");
    expect(judge(sealed, testBoxKey("other"))).toBe("secret_unopenable");
    for (const point of lowOrder()) expect(judge(concat(point, sealed.subarray(32)))).toBe("secret_unopenable");
    expect(said.size).toBe(1);
  });
});

describe("a host's secrets", () => {
  const fleet = testFleet();
  const [one, two] = [testHost("one"), testHost("two")];
  const [identity, other] = [fleet.identity(one), fleet.identity(two)];
  const seal = (parts: Partial<Parameters<typeof sealSecrets>[0]> = {}) =>
    sealSecrets({ box, identity, bundle: 3, secrets: { token: "s3cret" }, ephemeralSeed, ...parts });
  const bundleWith = (secrets: BundlePayload["secrets"], version = 3): BundlePayload =>
    valueOf(verifyHeldBundle({ envelope: fleet.bundle(version, {}, { secrets }), root: fleet.root }));
  const open = (bundle: BundlePayload, who = one) => openSecrets({ box, identity: who === one ? identity : other, boxKey: who.boxKey, bundle });

  test("come out as they went in", () => expect(valueOf(open(bundleWith({ [one.hostId]: valueOf(seal()) })))).toEqual({ token: "s3cret" }));
  test("are none when the bundle has none for this host", () => expect(valueOf(open(bundleWith({ [one.hostId]: valueOf(seal()) }), two))).toEqual({}));
  test("secret_unopenable: attack 24, another host's box under my id, or not base64", () => {
    expect(refusalOf(open(bundleWith({ [one.hostId]: valueOf(seal({ identity: other })) })))).toBe("secret_unopenable");
    expect(refusalOf(open(bundleWith({ [one.hostId]: "????" })))).toBe("secret_unopenable");
  });
  test("secret_misplaced: attack 24, an older bundle's box, another fleet's, one that names another host", () => {
    expect(refusalOf(open(bundleWith({ [one.hostId]: valueOf(seal({ bundle: 2 })) })))).toBe("secret_misplaced");
    expect(refusalOf(open(bundleWith({ [one.hostId]: valueOf(seal({ identity: { ...identity, fleetId: testFleet("two").root.payload.fleet_id } })) })))).toBe(
      "secret_misplaced",
    );
    expect(refusalOf(open(bundleWith({ [one.hostId]: valueOf(seal({ identity: { ...identity, hostId: two.hostId } })) })))).toBe("secret_misplaced");
  });
  test("payload_duplicate_key: the inside is parsed as strictly as all else", () => {
    const inner = JSON.stringify({ v: 1, fleet_id: identity.fleetId, host_id: one.hostId, bundle: 3, secrets: { a: "1" } }).replace(
      '"a":"1"',
      '"a":"1","a":"2"',
    );
    const sealed = base64(valueOf(box.seal(utf8(inner), one.boxKey.publicKey, ephemeralSeed)));
    expect(refusalOf(open(bundleWith({ [one.hostId]: sealed })))).toBe("payload_duplicate_key");
  });
  test("attack 29: their lengths come in steps", () => {
    const sizes = new Set(["", "a", "a".repeat(100)].map((token) => fromBase64(valueOf(seal({ secrets: { token } })))?.byteLength));
    expect(sizes.size).toBe(1);
  });
  test("are refused before sealing when a box would refuse them", () => {
    expect(refusalOf(seal({ secrets: { "Not A Name": "x" } }))).toBe("payload_schema");
    expect(refusalOf(seal({ secrets: Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`s${at}`, "x".repeat(3_000)])) }))).toBe("envelope_too_large");
  });
});

/** The seven values of cr.yp.to/ecdh.html#validate, with the top bit clear and set. */
function lowOrder(): readonly Uint8Array[] {
  const P = 2n ** 255n - 19n;
  const numbers = [
    0n,
    1n,
    325606250916557431795983626356110631294008115727848805560023387167927233504n,
    39382357235489614581723060781553021112529911719440698176882885853963445705823n,
    P - 1n,
    P,
    P + 1n,
  ];
  return numbers
    .flatMap((number) => [number, number + 2n ** 255n])
    .map((number) => new Uint8Array(Buffer.from(number.toString(16).padStart(64, "0"), "hex")).reverse());
}
