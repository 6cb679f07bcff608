import { describe, expect, test } from "bun:test";
import { argon2Sync } from "node:crypto";
import sodium from "libsodium-wrappers";
import { fromUtf8, hex, utf8 } from "../../../shared/core/bytes.ts";
import { type Fault, isFault } from "../../../shared/core/fault.ts";
import { testFleetId, testKey } from "../../../shared/sim/test-fleet.ts";
import { addKey, EMPTY_VAULT, keysOf, removeSecret, secretsOf, setSecret, setToken, tokenOf } from "./edit-contents.ts";
import { KDF_RANGE, type KdfCost, lockFrom, openVault, sealVault } from "./vault-file.ts";

await sodium.ready;
const LEAST: KdfCost = { memoryKib: KDF_RANGE.memoryKib.least, passes: KDF_RANGE.passes.least };
const salt = new Uint8Array(16).fill(7);
const nonce = new Uint8Array(24).fill(9);
const contents = setSecret(addKey(EMPTY_VAULT, { name: "operator", seed: testKey("a").seed, nowMs: 5 }), testFleetId("one"), "smtp", "s3cret");
const lock = lockFrom("correct horse", salt, LEAST);
const sealed = sealVault(sodium, contents, lock, nonce);

function faultOf(bytes: Uint8Array, passphrase = "correct horse"): Fault {
  try {
    openVault(sodium, bytes, passphrase);
  } catch (error) {
    if (isFault(error)) return error;
    throw error;
  }
  throw new Error("it opened");
}

/** The header changed, the rest as it was. */
function withHeader(changes: (file: { kdf: Record<string, unknown> } & Record<string, unknown>) => void): Uint8Array {
  const file = JSON.parse(fromUtf8(sealed));
  changes(file);
  return utf8(JSON.stringify(file));
}

describe("a vault", () => {
  test("opens with its passphrase, and with the same letters typed another way", () => {
    expect(openVault(sodium, sealed, "correct horse").contents).toEqual(contents);
    const accented = sealVault(sodium, contents, lockFrom("k\u00e1v\u00e9", salt, LEAST), nonce);
    expect(openVault(sodium, accented, "ka\u0301ve\u0301").contents).toEqual(contents);
  });

  test("shows nothing of what is inside", () => {
    expect(fromUtf8(sealed)).not.toContain("operator");
    expect(fromUtf8(sealed)).not.toContain("smtp");
    expect(fromUtf8(sealed)).not.toContain("s3cret");
  });

  test("attack 27: a wrong passphrase, a changed byte and a truncated file are one answer", () => {
    const file = fromUtf8(sealed);
    const [half, letter] = [Math.floor(file.length * 0.7), file.indexOf('"sealed":"') + 40];
    const changed = utf8(file.slice(0, letter) + (file.charAt(letter) === "A" ? "B" : "A") + file.slice(letter + 1));
    const said = [
      faultOf(sealed, "wrong horse"),
      faultOf(changed),
      faultOf(utf8(file.slice(0, half))),
      faultOf(new Uint8Array()),
      faultOf(utf8("{}")),
      faultOf(withHeader((parts) => void (parts["nonce"] = "AAAA"))),
    ];
    expect(new Set(said.map(({ code, message, remedy }) => `${code} ${message} ${remedy}`)).size).toBe(1);
    expect(said[0]?.code).toBe("vault_unopenable");
  });

  test("attack 26: a header that asks for less or more work than is allowed is refused before any of it is done", () => {
    const rows: readonly (readonly [string, number])[] = [
      ["memory_kib", KDF_RANGE.memoryKib.least - 1],
      ["memory_kib", KDF_RANGE.memoryKib.most + 1],
      ["memory_kib", 8],
      ["memory_kib", 2 ** 40],
      ["passes", 1],
      ["passes", KDF_RANGE.passes.most + 1],
      ["passes", 0],
      ["passes", -1],
    ];
    for (const [field, value] of rows) {
      const started = performance.now();
      const fault = faultOf(withHeader(({ kdf }) => void (kdf[field] = value)));
      expect([fault.code, fault.message.includes("outside the allowed range")]).toEqual(["vault_unopenable", true]);
      expect(performance.now() - started).toBeLessThan(50);
    }
  });

  test("refuses another way to derive the key, an unknown field and a newer version", () => {
    for (const change of [(file: Record<string, unknown>) => void (file["v"] = 2), (file: Record<string, unknown>) => void (file["note"] = "x")])
      expect(faultOf(withHeader(change)).code).toBe("vault_unopenable");
    expect(faultOf(withHeader(({ kdf }) => void (kdf["name"] = "scrypt"))).code).toBe("vault_unopenable");
  });

  test("can't be made with a cost outside the range", () => {
    expect(() => lockFrom("x", salt, { memoryKib: 1024, passes: 3 })).toThrow();
    expect(() => lockFrom("x", salt, { memoryKib: KDF_RANGE.memoryKib.least, passes: 99 })).toThrow();
  });
});

test("version 1 on disk is written as it was and read for ever", async () => {
  const golden = new Uint8Array(await Bun.file(`${import.meta.dir}/testdata/vault-v1.json`).arrayBuffer());
  expect(fromUtf8(sealed)).toBe(fromUtf8(golden));
  expect(openVault(sodium, golden, "correct horse").contents).toEqual(contents);
});

test("Argon2id is RFC 9106's: its section 5.3 vector", () => {
  const tag = argon2Sync("argon2id", {
    message: new Uint8Array(32).fill(1),
    nonce: new Uint8Array(16).fill(2),
    secret: new Uint8Array(8).fill(3),
    associatedData: new Uint8Array(12).fill(4),
    parallelism: 4,
    tagLength: 32,
    memory: 32,
    passes: 3,
  });
  expect(hex(tag)).toBe("0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
});

describe("its contents", () => {
  const fleet = testFleetId("one");
  test("a second key of one name is refused, a second name is not", () => {
    expect(() => addKey(contents, { name: "operator", seed: testKey("b").seed, nowMs: 6 })).toThrow("already has one");
    expect(keysOf(addKey(contents, { name: "b", seed: testKey("b").seed, nowMs: 6 })).map(({ key }) => key.keyId)).toEqual([
      testKey("a").keyId,
      testKey("b").keyId,
    ]);
  });
  test("secrets and tokens are per fleet", () => {
    expect(secretsOf(contents, fleet)).toEqual({ smtp: "s3cret" });
    expect(secretsOf(contents, testFleetId("two"))).toEqual({});
    expect(secretsOf(removeSecret(contents, fleet, "smtp"), fleet)).toEqual({});
    expect(() => removeSecret(contents, fleet, "constructor")).toThrow("none of that name");
    expect(tokenOf(setToken(contents, fleet, "g-1", testKey("t").seed), fleet, "g-1")).toEqual(testKey("t").seed);
    expect(tokenOf(contents, fleet, "toString")).toBeUndefined();
  });
});
