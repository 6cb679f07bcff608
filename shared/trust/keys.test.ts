import { describe, expect, test } from "bun:test";
import { createPublicKey, verify } from "node:crypto";
import fc from "fast-check";
import sodium from "libsodium-wrappers";
import { base32, base64url, concat, fromBase32, fromHex, hex, utf8 } from "../core/bytes.ts";
import { refusalOf, testKey } from "../sim/test-fleet.ts";
import {
  boxKeyFromSeed,
  checkBoxKey,
  checkPublicKey,
  hostIdOf,
  keyIdOf,
  readBoxKey,
  readPublicKey,
  sign,
  signingKeyFromSeed,
  verifySignature,
} from "./keys.ts";
import ed25519 from "./testdata/ed25519_test.json";
import x25519 from "./testdata/x25519_test.json";

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));
const littleEndian = (value: bigint): Uint8Array => bytes(value.toString(16).padStart(64, "0")).reverse();
const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;

test("Wycheproof Ed25519: all 151 verdicts, through the key filter", () => {
  let seen = 0;
  for (const group of ed25519.testGroups) {
    const publicKey = bytes(group.publicKey.pk);
    for (const { msg, sig, result, tcId } of group.tests) {
      seen += 1;
      expect([tcId, verifySignature(publicKey, bytes(msg), bytes(sig))]).toEqual([tcId, result === "valid"]);
    }
  }
  expect(seen).toBe(151);
});

test("Wycheproof X25519: all 518 shared secrets, and the box key filter refuses every key with a zero one", async () => {
  await sodium.ready;
  let seen = 0;
  let zero = 0;
  for (const group of x25519.testGroups) {
    for (const vector of group.tests) {
      seen += 1;
      const publicKey = bytes(vector.public);
      const isZero = /^0+$/.test(vector.shared);
      const isCanonical = BigInt(`0x${hex(bytes(vector.public).reverse())}`) < P;
      const agreed = () => hex(sodium.crypto_scalarmult(bytes(vector.private), publicKey));
      if (isZero) expect(agreed).toThrow();
      else expect([vector.tcId, agreed()]).toEqual([vector.tcId, vector.shared]);
      if (isZero) zero += 1;
      expect([vector.tcId, checkBoxKey(publicKey).ok]).toEqual([vector.tcId, !isZero && isCanonical]);
    }
  }
  expect([seen, zero]).toEqual([518, 31]);
});

test("RFC 8032 test 2: key, signature and id from the seed", () => {
  const key = signingKeyFromSeed(bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"));
  expect(hex(key.publicKey)).toBe("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  expect(hex(sign(key, bytes("72")))).toBe(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
  );
  expect(key.keyId).toMatch(/^[a-z2-7]{26}$/);
  expect(hostIdOf(key.publicKey).slice(2)).toBe(base32(new Uint8Array(fromBase32(`${keyIdOf(key.publicKey)}`) ?? []).subarray(0, 10)));
});

test("a box key's public half is the one libsodium makes of the same scalar", async () => {
  await sodium.ready;
  for (const label of ["a", "b", "c", "d"]) {
    const { seed } = testKey(label);
    expect(hex(boxKeyFromSeed(seed).publicKey)).toBe(hex(sodium.crypto_scalarmult_base(seed)));
  }
});

/** The eight points of order dividing 8, in every encoding: canonical or not, either sign of x. */
const ORDER_8 = ["26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"];
const LOW_ORDER = [...[0n, 1n, P - 1n, P, P + 1n].map(littleEndian), ...ORDER_8.map(bytes)].flatMap((point) => {
  const flipped = new Uint8Array(point);
  flipped[31] = (flipped[31] ?? 0) ^ 0x80;
  return [point, flipped];
});

describe("the Ed25519 filter", () => {
  test("key_unsafe: every encoding of every low-order point (attack 13)", () => {
    for (const point of LOW_ORDER) expect([hex(point), refusalOf(checkPublicKey(point))]).toEqual([hex(point), "key_unsafe"]);
  });

  test("the order-8 points really have order 8, so the list holds no typing error", () => {
    // With a low-order A and R = A's negative multiple, S = 0 verifies for about one message in eight where no filter stands.
    for (const point of ORDER_8.map(bytes)) expect(acceptedWithoutFilter(point)).toBeGreaterThan(0);
  });

  test("key_unsafe: y at and above p, either sign", () => {
    for (let above = 0n; above < 19n; above += 1n) {
      const encoded = littleEndian(P + above);
      expect(refusalOf(checkPublicKey(encoded))).toBe("key_unsafe");
      encoded[31] = (encoded[31] ?? 0) | 0x80;
      expect(refusalOf(checkPublicKey(encoded))).toBe("key_unsafe");
    }
  });

  test("key_unsafe: about half of all y are not on the curve, and those are refused", () => {
    let off = 0;
    for (let y = 2n; y < 202n; y += 1n) if (!checkPublicKey(littleEndian(y)).ok) off += 1;
    expect(off).toBeGreaterThan(70);
    expect(off).toBeLessThan(130);
  });

  test("key_unsafe: 31, 33 and 0 bytes, and base64url that is not canonical", () => {
    for (const size of [0, 31, 33]) expect(refusalOf(checkPublicKey(new Uint8Array(size).fill(3)))).toBe("key_unsafe");
    const spelled = base64url(testKey("a").publicKey);
    const last = spelled.at(-1) ?? "";
    const twin = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const other = twin.charAt(twin.indexOf(last) ^ 1);
    expect(refusalOf(readPublicKey(spelled))).toBe("accepted");
    expect(refusalOf(readPublicKey(spelled.slice(0, -1) + other))).toBe("key_unsafe");
    expect(refusalOf(readBoxKey(spelled.slice(0, -1) + other))).toBe("key_unsafe");
  });

  test("every honest key passes", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        (seed) => checkPublicKey(signingKeyFromSeed(seed).publicKey).ok && checkBoxKey(boxKeyFromSeed(seed).publicKey).ok,
      ),
      { numRuns: 300 },
    );
  });
});

describe("a signature is refused", () => {
  const key = testKey("a");
  const message = utf8("felhom");
  const good = sign(key, message);
  test("attack 13: for one that fits many messages by a low-order key, though bare Ed25519 takes it", () => {
    // A = R = the identity, S = 0: [S]B = R + [k]A for every message.
    const identity = littleEndian(1n);
    const forged = concat(identity, new Uint8Array(32));
    for (const text of ["a", "b", "c"]) {
      expect(bareVerify(identity, utf8(text), forged)).toBe(true);
      expect(verifySignature(identity, utf8(text), forged)).toBe(false);
    }
  });
  test("attack 13: with an honest key and R of low order, or an honest R and a low-order key", () => {
    const scalar = scalarOf(key.seed);
    const identity = littleEndian(1n);
    const challenge = fromLittleEndian(new Uint8Array(new Bun.CryptoHasher("sha512").update(concat(identity, key.publicKey, message)).digest())) % L;
    const lowR = concat(identity, littleEndian((challenge * scalar) % L));
    const lowA = concat(key.publicKey, littleEndian(scalar % L));
    expect([bareVerify(key.publicKey, message, lowR), bareVerify(identity, message, lowA)]).toEqual([true, true]);
    expect([verifySignature(key.publicKey, message, lowR), verifySignature(identity, message, lowA)]).toEqual([false, false]);
  });
  test("attack 14: S + L, 63 and 65 bytes, trailing bytes", () => {
    const s = BigInt(`0x${hex(good.slice(32).reverse())}`);
    expect(verifySignature(key.publicKey, message, concat(good.subarray(0, 32), littleEndian(s + L)))).toBe(false);
    for (const bad of [good.subarray(0, 63), concat(good, new Uint8Array(1)), new Uint8Array(0)])
      expect(verifySignature(key.publicKey, message, bad)).toBe(false);
    expect(verifySignature(key.publicKey, message, good)).toBe(true);
  });
  test("attack 9: over the digest instead of the bytes", () => {
    const digest = new Uint8Array(new Bun.CryptoHasher("sha512").update(message).digest());
    expect(verifySignature(key.publicKey, message, sign(key, digest))).toBe(false);
  });
  test("with any single bit of it, the message or the key flipped", () => {
    const flip = (from: Uint8Array, bit: number): Uint8Array => {
      const copy = new Uint8Array(from);
      copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      return copy;
    };
    for (let bit = 0; bit < 512; bit += 1) expect(verifySignature(key.publicKey, message, flip(good, bit))).toBe(false);
    for (let bit = 0; bit < 256; bit += 1) expect(verifySignature(flip(key.publicKey, bit), message, good)).toBe(false);
    for (let bit = 0; bit < 48; bit += 1) expect(verifySignature(key.publicKey, flip(message, bit), good)).toBe(false);
  });
});

test("base32 has one spelling per value", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (value) => hex(fromBase32(base32(value)) ?? new Uint8Array([1])) === hex(value)),
    { numRuns: 500 },
  );
  for (const bad of ["a", "ab1", "AA", "a=", "ab8a", "ab"])
    expect(fromBase32(bad) === undefined || base32(fromBase32(bad) ?? new Uint8Array()) === bad).toBe(true);
  expect(fromBase32("ab")).toBeUndefined();
  expect(fromHex("0")).toBeUndefined();
});

const fromLittleEndian = (value: Uint8Array): bigint => BigInt(`0x${hex(new Uint8Array(value).reverse())}`);

/** RFC 8032 section 5.1.5: the secret scalar of a seed. */
function scalarOf(seed: Uint8Array): bigint {
  const half = new Uint8Array(new Bun.CryptoHasher("sha512").update(seed).digest()).slice(0, 32);
  half[0] = (half[0] ?? 0) & 248;
  half[31] = ((half[31] ?? 0) & 127) | 64;
  return fromLittleEndian(half);
}

/** What Bun's Ed25519 says without our filter. */
function bareVerify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = createPublicKey({ key: Buffer.from(concat(bytes("302a300506032b6570032100"), publicKey)), format: "der", type: "spki" });
  return verify(null, message, key, signature);
}

/** How many of 64 messages a constant (R, S = 0) fits for a low-order A, for R among all low-order points. */
function acceptedWithoutFilter(publicKey: Uint8Array): number {
  let accepted = 0;
  for (let index = 0; index < 64; index += 1) {
    for (const point of LOW_ORDER) if (bareVerify(publicKey, utf8(`message ${index}`), concat(point, new Uint8Array(32)))) accepted += 1;
  }
  return accepted;
}
