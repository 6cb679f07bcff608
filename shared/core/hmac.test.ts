import { expect, test } from "bun:test";
import { hex, utf8 } from "./bytes.ts";
import { hmacSha256 } from "./hmac.ts";

test("RFC 4231 test case 2 and 3", () => {
  expect(hex(hmacSha256(utf8("Jefe"), utf8("what do ya want for nothing?")))).toBe("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  expect(hex(hmacSha256(new Uint8Array(20).fill(0xaa), new Uint8Array(50).fill(0xdd)))).toBe(
    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
  );
});
