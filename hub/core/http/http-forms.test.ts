import { encode } from "@msgpack/msgpack";
import { expect, test } from "bun:test";
import fc from "fast-check";
import { isMsgpackSound } from "./msgpack-scan.ts";
import { parseRange } from "./range.ts";

test.each([
  [null, { is: "whole" }],
  ["bytes=0-", { is: "part", from: 0, to: 100 }],
  ["bytes=40-", { is: "part", from: 40, to: 100 }],
  ["bytes=40-49", { is: "part", from: 40, to: 50 }],
  ["bytes=40-999", { is: "part", from: 40, to: 100 }],
  ["bytes=-10", { is: "part", from: 90, to: 100 }],
  ["bytes=-999", { is: "part", from: 0, to: 100 }],
  ["bytes=100-", { is: "beyond" }],
  ["bytes=-0", { is: "beyond" }],
  ["bytes=50-40", { is: "whole" }],
  ["bytes=0-1,5-6", { is: "whole" }],
  ["lines=0-1", { is: "whole" }],
  ["bytes=", { is: "whole" }],
  ["bytes=-", { is: "whole" }],
] as const)("range %p of 100 bytes is %p", (header, range) => {
  expect(parseRange(header, 100)).toEqual(range);
});

test("a range of nothing is beyond the end", () => {
  expect(parseRange("bytes=0-", 0)).toEqual({ is: "beyond" });
  expect(parseRange(null, 0)).toEqual({ is: "whole" });
});

test("whatever our encoder writes is sound; cut anywhere it is not", () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const bytes = encode(value);
      expect(isMsgpackSound(bytes)).toBe(true);
      for (let end = 0; end < Math.min(bytes.byteLength, 40); end += 1) expect(isMsgpackSound(bytes.subarray(0, end))).toBe(false);
      expect(isMsgpackSound(new Uint8Array([...bytes, 0xc0]))).toBe(false);
    }),
  );
});

test.each([
  ["33 levels", new Uint8Array([...Array.from({ length: 33 }, () => 0x91), 0xc0])],
  ["200 000 levels", new Uint8Array(200_000).fill(0x91)],
  ["an array longer than the message", new Uint8Array([0xdd, 0xff, 0xff, 0xff, 0xff])],
  ["a map longer than the message", new Uint8Array([0xdf, 0xff, 0xff, 0xff, 0xff])],
  ["a text longer than the message", new Uint8Array([0xdb, 0xff, 0xff, 0xff, 0xff])],
  ["one key twice", new Uint8Array([0x82, 0xa1, 0x61, 0x01, 0xa1, 0x61, 0x02])],
  ["one key twice in two spellings", new Uint8Array([0x82, 0xa1, 0x61, 0x01, 0xda, 0x00, 0x01, 0x61, 0x02])],
  ["a number for a key", new Uint8Array([0x81, 0x01, 0x02])],
  ["an extension", new Uint8Array([0xd4, 0x01, 0x00])],
  ["bytes", new Uint8Array([0xc4, 0x01, 0x00])],
  ["the tag that is never used", new Uint8Array([0xc1])],
  ["nothing", new Uint8Array()],
])("MessagePack with %s is refused", (_what, bytes) => {
  expect(isMsgpackSound(bytes)).toBe(false);
});
