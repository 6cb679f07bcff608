import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { base32, base64url, concat } from "../core/bytes.ts";
import { sha256 } from "../core/sha256.ts";
import { refusalOf, testFleet, testKey, valueOf } from "../sim/test-fleet.ts";
import { decodeJoinCode, encodeJoinCode, JOIN_PINS_MAX } from "./join-code.ts";

const { root } = testFleet();
const pin = (label: string) => base64url(sha256(testKey(label).seed));
const whole = { fleetId: root.payload.fleet_id, rootHash: root.hash, pins: [pin("a"), pin("b")], token: testKey("token").seed };
const code = encodeJoinCode(whole);

describe("a join code", () => {
  test("comes back whole, with and without pins and token", () => {
    for (const parts of [
      { ...whole, newest: { version: 7, hash: root.hash } },
      { fleetId: whole.fleetId, rootHash: whole.rootHash, pins: [], newest: { version: 1_000_000, hash: root.hash } },

      whole,
      { fleetId: whole.fleetId, rootHash: whole.rootHash, pins: [] },
      { ...whole, pins: Array.from({ length: JOIN_PINS_MAX }, (_, at) => pin(`${at}`)) },
    ]) {
      expect(valueOf(decodeJoinCode(encodeJoinCode(parts)))).toEqual(parts);
    }
  });
  test("survives what copying does to it", () => {
    const wrapped = code.match(/.{1,40}/g)?.join("\n  ") ?? "";
    for (const pasted of [
      ` ${code}\n`,
      wrapped,
      wrapped.replaceAll("\n", "\r\n"),
      code.toUpperCase(),
      `"${code}"`,
      `\u201c${code}`.slice(1),
      `\ufeff${code}`,
      code.replaceAll("-", "\u2011"),
      `${code.slice(0, 30)}\u200b${code.slice(30)}`,
      code.match(/.{1,5}/g)?.join("-") ?? "",
    ]) {
      expect(decodeJoinCode(pasted)).toEqual(decodeJoinCode(code));
    }
  });
  test("join_code_malformed: something else was pasted", () => {
    for (const pasted of ["", "hello", "https://hub.example.net", "felhom", base32(new Uint8Array(90))])
      expect(refusalOf(decodeJoinCode(pasted))).toBe("join_code_malformed");
    expect(refusalOf(decodeJoinCode(`${code}!`))).toBe("join_code_malformed");
  });
  test("join_code_damaged: any letter changed, left out or doubled, either end cut", () => {
    const from = "felhom-join-".length;
    fc.assert(
      fc.property(
        fc.integer({ min: from, max: code.length - 1 }),
        fc.constantFrom(...Array.from("abcdefghijklmnopqrstuvwxyz234567")),
        fc.constantFrom("change", "remove", "double"),
        (at, letter, how) => {
          fc.pre(how !== "change" || code.charAt(at) !== letter);
          const middle = how === "change" ? letter : how === "remove" ? "" : code.charAt(at).repeat(2);
          const damaged = code.slice(0, at) + middle + code.slice(at + 1);
          return refusalOf(decodeJoinCode(damaged)) === "join_code_damaged";
        },
      ),
      { numRuns: 5_000 },
    );
    for (let length = from; length < code.length; length += 1) expect(refusalOf(decodeJoinCode(code.slice(0, length)))).toBe("join_code_damaged");
  });
  test("join_code_newer: version 2, and the parts of version 1 must add up", () => {
    const forge = (...body: readonly number[]) => {
      const bytes = concat(new Uint8Array(body), new Uint8Array(42));
      return `felhom-join-${base32(concat(bytes, sha256(bytes).subarray(0, 5)))}`;
    };
    expect(refusalOf(decodeJoinCode(forge(2, 0, 0)))).toBe("join_code_newer");
    expect(refusalOf(decodeJoinCode(forge(1, 0, 0)))).toBe("accepted");
    for (const [pins, token] of [
      [1, 0],
      [0, 1],
      [0, 2],
      [0, 3],
      [0, 4],
      [255, 0],
    ] as const)
      expect(refusalOf(decodeJoinCode(forge(1, pins, token)))).toBe("join_code_malformed");
  });
  test("can't be made of wrong parts", () => {
    expect(() => encodeJoinCode({ ...whole, token: new Uint8Array(31) })).toThrow();
    expect(() => encodeJoinCode({ ...whole, pins: ["short"] })).toThrow();
  });
});
