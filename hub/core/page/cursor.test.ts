import { expect, test } from "bun:test";
import { base64url, utf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import { decodeCursor, encodeCursor } from "./cursor.ts";

test("a cursor comes back as it went, for its own list only", () => {
  const cursor = encodeCursor("hosts", ["web-1", 7]);
  expect(decodeCursor("hosts", ["string", "number"], cursor)).toEqual(["web-1", 7]);
  for (const [list, kinds] of [
    ["grants", ["string", "number"]],
    ["hosts", ["string"]],
    ["hosts", ["number", "string"]],
  ] as const) {
    expect(() => decodeCursor(list, kinds, cursor)).toThrow("not one that this list gave");
  }
});

test("a forged cursor is refused, never guessed at", () => {
  const forged = [
    "",
    "x",
    "!!",
    base64url(utf8("{}")),
    base64url(utf8('["hosts",1.5]')),
    base64url(utf8('["hosts",9007199254740993]')),
    base64url(utf8('["hosts",null]')),
    base64url(new Uint8Array([0xff])),
    base64url(utf8(`["hosts","${"a".repeat(300)}"]`)),
  ];
  for (const cursor of forged) {
    let code: unknown;
    try {
      decodeCursor("hosts", ["number"], cursor);
    } catch (error) {
      code = isFault(error) ? error.code : error;
    }
    expect(code).toBe("bad_request");
  }
});
