import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { escapeLines, escapeUntrusted, safeJson } from "./escape.ts";

describe("attack 83: text from a box or a hub cannot drive a terminal", () => {
  const hostile: readonly (readonly [what: string, text: string, shown: string])[] = [
    ["clear screen", "a\u001b[2Jb", "a\\x1b[2Jb"],
    ["title (OSC with BEL)", "\u001b]0;root@host\u0007", "\\x1b]0;root@host\\x07"],
    ["hyperlink (OSC 8)", "\u001b]8;;http://x\u001b\\y", "\\x1b]8;;http://x\\x1b\\y"],
    ["one-byte CSI", "\u009b31mred", "\\x9b31mred"],
    ["one-byte OSC", "\u009d0;t\u009c", "\\x9d0;t\\x9c"],
    ["carriage return over a line", "failed\rok    ", "failed\\rok    "],
    ["line feed", "a\nb: ok", "a\\nb: ok"],
    ["tab, NUL, backspace, DEL", "\t\0\b\u007f", "\\t\\0\\x08\\x7f"],
    ["form feed, vertical tab", "\f\v", "\\x0c\\x0b"],
    ["NEL", "\u0085", "\\x85"],
    ["line and paragraph separator", "\u2028\u2029", "\\u2028\\u2029"],
    ["right-to-left override", "gpj.\u202eexe", "gpj.\\u202eexe"],
    ["all bidi embeddings", "\u202a\u202b\u202c\u202d\u202e", "\\u202a\\u202b\\u202c\\u202d\\u202e"],
    ["all bidi isolates", "\u2066\u2067\u2068\u2069", "\\u2066\\u2067\\u2068\\u2069"],
    ["bidi marks", "\u200e\u200f\u061c", "\\u200e\\u200f\\u061c"],
    ["zero width", "ro\u200bot\u200c\u200d\u2060\ufeff", "ro\\u200bot\\u200c\\u200d\\u2060\\ufeff"],
    ["soft hyphen and joiner", "a\u00adb\u034f", "a\\xadb\\u034f"],
    ["invisible letters", "\u3164\uffa0\u115f\u1160", "\\u3164\\uffa0\\u115f\\u1160"],
    ["lone surrogates", "\ud800x\udfff", "\\ud800x\\udfff"],
    ["tags", "\u{e0041}", "\\u{e0041}"],
    ["variation selectors", "a\ufe0f\u{e0100}", "a\\ufe0f\\u{e0100}"],
    ["interlinear annotation", "\ufff9\ufffb", "\\ufff9\\ufffb"],
    ["noncharacter", "\uffff", "\\uffff"],
  ];
  for (const [what, text, shown] of hostile) test(what, () => expect(escapeUntrusted(text)).toBe(shown));

  test("plain text of any script stays as it is", () => {
    for (const text of ["kovács-1", "Győr – 3 °C", "漢字", "עברית", "/etc/nginx/conf.d", "👍", "100 % \\ done", "é"]) expect(escapeUntrusted(text)).toBe(text);
  });

  test("a pile of marks is cut down to four", () => {
    expect(escapeUntrusted(`a${"\u0301".repeat(6)}`)).toBe(`a${"\u0301".repeat(4)}\\u0301\\u0301`);
  });

  test("nothing below U+0020 and nothing that hides is left, whatever comes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
        const shown = escapeUntrusted(text);
        expect(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/.test(shown)).toBe(false);
        expect(shown.isWellFormed()).toBe(true);
      }),
      { seed: 83, numRuns: 500 },
    );
  });
});

test("several lines keep their line feeds and nothing else", () => {
  expect(escapeLines("a\n\tb\r\n\u001b[0m")).toBe("a\n  b\\r\n\\x1b[0m");
});

test("JSON is escaped too, and still parses to the same value", () => {
  const value = { name: "a\u001b[31m\u202e\u009b\u200b\u{e0041}", "k\u202ey": ["\ud800", "\uffff", 1] };
  const text = safeJson(value);
  expect(/^[\u0020-\u007e]*$/.test(text)).toBe(true);
  expect(JSON.parse(text)).toEqual(value);
  fc.assert(
    fc.property(fc.json(), (json) => {
      expect(JSON.parse(safeJson(JSON.parse(json)))).toEqual(JSON.parse(json));
    }),
    { seed: 83, numRuns: 200 },
  );
});
