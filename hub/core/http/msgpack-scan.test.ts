import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { decode } from "@msgpack/msgpack";
import { isMsgpackSound } from "./msgpack-scan.ts";

type Case = { readonly msgpack: readonly string[] } & Readonly<Record<string, unknown>>;
const suite = JSON.parse(readFileSync(`${import.meta.dir}/testdata/msgpack-test-suite.json`, "utf8")) as Readonly<Record<string, readonly Case[]>>;
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll("-", ""), "hex"));
const encodings = Object.entries(suite).flatMap(([file, cases]) => cases.flatMap((one) => one.msgpack.map((hex) => ({ file, one, hex }))));

/** In no message of ours, so refused with everything in them. */
const isForeign = (one: Case): boolean => "binary" in one || "ext" in one || "timestamp" in one;

test("every encoding of the third-party suite is sound and decodes to its value, binary and extension types are refused", () => {
  expect(encodings.length).toBeGreaterThan(200);
  for (const { file, one, hex } of encodings) {
    expect({ file, hex, sound: isMsgpackSound(bytesOf(hex)) }).toEqual({ file, hex, sound: !isForeign(one) });
    if ("string" in one) expect(decode(bytesOf(hex))).toBe(one["string"]);
    if ("bool" in one) expect(decode(bytesOf(hex))).toBe(one["bool"]);
    if ("map" in one) expect(decode(bytesOf(hex))).toEqual(one["map"]);
    if ("array" in one) expect(decode(bytesOf(hex))).toEqual(one["array"]);
  }
});

test("every encoding cut short or followed by more is not", () => {
  for (const { hex } of encodings) {
    const whole = bytesOf(hex);
    expect(isMsgpackSound(whole.subarray(0, whole.byteLength - 1))).toBe(false);
    expect(isMsgpackSound(new Uint8Array([...whole, 0xc0]))).toBe(false);
  }
});

test("attack 30: length bombs, nesting and a key twice are refused", () => {
  for (const bomb of ["ddffffffff", "dfffffffff", "c6ffffffff", "dbffffffff"]) expect(isMsgpackSound(bytesOf(bomb))).toBe(false);
  expect(isMsgpackSound(new Uint8Array(200_000).fill(0x91))).toBe(false);
  expect(isMsgpackSound(bytesOf("82a16101a16102"))).toBe(false);
  expect(isMsgpackSound(bytesOf("82a16101a16202"))).toBe(true);
});
