import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as z from "zod/mini";
import { utf8 } from "../core/bytes.ts";
import { refusalOf } from "../sim/test-fleet.ts";
import { parseVersioned, scanJson } from "./strict-json.ts";

const MAX = 1_000_000;
const scan = (text: string) => scanJson(utf8(text), MAX);
const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);

describe("a JSON payload is refused with", () => {
  const rows: readonly (readonly [code: string, what: string, bytes: Uint8Array])[] = [
    ["payload_not_utf8", "a byte-order mark", new Uint8Array([0xef, 0xbb, 0xbf, 0x7b, 0x7d])],
    ["payload_not_utf8", "an overlong encoding", new Uint8Array([0x22, 0xc0, 0xaf, 0x22])],
    ["payload_not_utf8", "a truncated sequence", new Uint8Array([0x22, 0xe2, 0x82, 0x22])],
    ["payload_not_utf8", "a surrogate in UTF-8", new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])],
    ["payload_not_utf8", "UTF-16", new Uint8Array([0xff, 0xfe, 0x7b, 0x00])],
    ["payload_not_utf8", "an escaped lone high surrogate", utf8('{"a":"\\ud800"}')],
    ["payload_not_utf8", "an escaped lone low surrogate in a key", utf8('{"\\udc00":1}')],
    ["payload_duplicate_key", "a key twice", utf8('{"target":"a","target":"b"}')],
    ["payload_duplicate_key", "a key twice, deep down", utf8('{"a":[{"b":{"c":1,"d":2,"c":1}}]}')],
    ["payload_duplicate_key", "a key twice, once escaped", utf8('{"a":1,"\\u0061":2}')],
    ["payload_duplicate_key", "the empty key twice", utf8('{"":1,"":1}')],
    ["payload_too_deep", "33 arrays", utf8(nested(33))],
    ["payload_too_deep", "a million levels", utf8("[".repeat(500_000))],
    ["payload_too_deep", "33 objects", utf8('{"a":'.repeat(33) + "1" + "}".repeat(33))],
    ["payload_unsafe_number", "2^53", utf8("9007199254740992")],
    ["payload_unsafe_number", "2^53 + 1", utf8("9007199254740993")],
    ["payload_unsafe_number", "-2^53 - 1", utf8("-9007199254740993")],
    ["payload_unsafe_number", "1e400", utf8("1e400")],
    ["payload_unsafe_number", "1e2 for 100", utf8("1e2")],
    ["payload_unsafe_number", "1.0 for 1", utf8("1.0")],
    ["payload_unsafe_number", "-0", utf8("-0")],
    ["payload_unsafe_number", "0.10", utf8("0.10")],
    ["payload_unsafe_number", "more digits than a double holds", utf8("0.1000000000000000055511151231257827")],
    ["payload_unsafe_number", "1e21", utf8("1e+21")],
    ["payload_schema", "__proto__ as a key", utf8('{"__proto__":{"admin":true}}')],
    ["envelope_too_large", "one byte too many", utf8(" ".repeat(MAX + 1))],
  ];
  for (const [code, what, bytes] of rows) test(`${code}: ${what}`, () => expect(refusalOf(scanJson(bytes, MAX))).toBe(code));

  for (const text of [
    "",
    " ",
    "{",
    "}",
    "[1,]",
    '{"a":1,}',
    "{,}",
    "{a:1}",
    "{'a':1}",
    "01",
    "+1",
    ".5",
    "5.",
    "1e",
    "0x10",
    "NaN",
    "Infinity",
    "-",
    "tru",
    "nulll",
    "True",
    '"',
    '"\t"',
    '"\\x41"',
    '"\\u12g4"',
    '"a" "b"',
    "1 2",
    "[1 2]",
    '{"a" 1}',
    '{"a":}',
    "// c\n1",
    "/**/1",
    "\u00a01",
    "\f1",
    "\u20281",
    '"\u0000"',
    "{}}",
    "[]]",
    '{"a":1}x',
    '["\\"]',
    "undefined",
    "[,1]",
  ]) {
    test(`payload_not_json: ${JSON.stringify(text)}`, () => expect(refusalOf(scan(text))).toBe("payload_not_json"));
  }
});

test("keys of Object's prototype are ordinary keys", () => {
  const scanned = scan('{"constructor":1,"toString":2,"hasOwnProperty":3}');
  expect(scanned.ok && JSON.stringify(scanned.value)).toBe('{"constructor":1,"toString":2,"hasOwnProperty":3}');
});

test("32 levels are read", () => {
  expect(scan(nested(32)).ok).toBe(true);
});

test("whatever JSON.stringify writes is read back the same, unless a number is not exact", () => {
  const exact = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e15, max: 1e15 }).map((number) => (Object.is(number, -0) ? 0 : number)),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 6 },
      exact,
      fc.array(tie("value"), { maxLength: 5 }),
      fc.dictionary(
        fc.string({ unit: "binary" }).filter((key) => key !== "__proto__"),
        tie("value"),
        { maxKeys: 5 },
      ),
    ),
  }));
  fc.assert(
    fc.property(value, fc.constantFrom(undefined, 1, "\t"), (wanted, indent) => {
      const text = JSON.stringify(wanted, undefined, indent);
      const scanned = scan(text);
      expect(scanned.ok).toBe(true);
      if (scanned.ok) expect(JSON.stringify(scanned.value)).toBe(JSON.stringify(wanted));
    }),
    { numRuns: 2_000 },
  );
});

test("nothing is read that JSON.parse refuses, and nothing throws, whatever the bytes", () => {
  const piece = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "\\",
    "\\u",
    "00",
    "1",
    "-",
    ".",
    "e",
    "true",
    "null",
    " ",
    "\n",
    "a",
    "\ud83d",
    "\u{1f600}",
    "\u0000",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 24 }), (pieces) => {
      const text = pieces.join("");
      const scanned = scan(text);
      if (scanned.ok) expect(JSON.stringify(JSON.parse(new TextDecoder().decode(utf8(text))))).toBe(JSON.stringify(scanned.value));
    }),
    { numRuns: 20_000 },
  );
});

describe("a versioned payload", () => {
  const schema = z.strictObject({ v: z.literal(1), n: z.int() });
  const parse = (text: string) => refusalOf(parseVersioned(schema, utf8(text), MAX));
  test("payload_bad_version: version 0, 2, a string, or none", () => {
    for (const text of ['{"v":0,"n":1}', '{"v":2,"n":1}', '{"v":"1","n":1}', '{"n":1}', '{"v":null,"n":1}']) expect(parse(text)).toBe("payload_bad_version");
  });
  test("payload_schema: an unknown key, a wrong type, a missing key, no object at all", () => {
    for (const text of ['{"v":1,"n":1,"extra":1}', '{"v":1,"n":"1"}', '{"v":1,"n":[1]}', '{"v":1,"n":1.5}', '{"v":1}', "[]", "1", "null", '"v"'])
      expect(parse(text)).toBe("payload_schema");
  });
  test("is read when all is well", () => expect(parse(' {"n":1,"v":1}\n')).toBe("accepted"));
});
