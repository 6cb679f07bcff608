import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseDocument, stringify } from "yaml";
import { parseYaml, withoutPrototypes } from "./parse-yaml.ts";
import { parsePlainYaml } from "./plain-yaml.ts";

/** What the complete parser says; `undefined` for anything it refuses. */
function complete(text: string): { value: unknown } | undefined {
  const document = parseDocument(text, {
    version: "1.2",
    schema: "core",
    uniqueKeys: true,
    stringKeys: true,
    strict: true,
    merge: false,
    prettyErrors: false,
    logLevel: "error",
  });
  return document.errors.length + document.warnings.length > 0 ? undefined : { value: document.toJS() };
}

/** The plain reader may decline; when it answers, the complete parser must agree. */
function agrees(text: string): boolean {
  const plain = parsePlainYaml(text);
  if (plain === undefined) return false;
  const whole = complete(text);
  if (whole === undefined) throw new Error(`the complete parser refuses what the plain reader took:\n${text}`);
  expect(JSON.stringify(plain.value)).toBe(JSON.stringify(whole.value));
  return true;
}

describe("plain YAML", () => {
  const taken = [
    "a: 1\n",
    "a:\n  b: text\n  c: [x, 'y', \"z\", 4]\n",
    '/etc/motd:\n  file:\n    content: |\n      hello\n\n        more\n      end\n\n    mode: "0644"\n',
    "/etc/motd:\n  file:\n    content: |-\n      hello\n# comment\nx: ~\n",
    "- match: \"true\"\n  states: [base]\n- match: label.role == 'web'\n  states:\n    - web\n    - base # again\n",
    "a: {}\nb: []\nc: { x: 1, y: [a, b] }\n",
    "a:\n- x\n- y: 1\n  z: 2\nb: null\n",
    "a: it's\nb: 'it''s'\nc: \"say \\\"hi\\\"\\n\"\n",
    "watch: [file//etc/nginx/nginx.conf]\n",
    "a: text with spaces # comment\nb: http://example.net/#anchor\n",
    "a:\n  # only a comment\n  b: true\n",
    "a:\nb: x\n",
  ];
  test.each(taken)("is taken and means the same: %j", (text) => {
    expect(agrees(text)).toBe(true);
  });

  const declined = [
    "",
    "a: 1",
    "a: 1\r\n",
    "a: 1\na: 2\n",
    "a: {b: 1, b: 2}\n",
    "a: &x 1\nb: *x\n",
    "a: !!str 1\n",
    "a: >\n  folded\n",
    "a: 0644\n",
    "a: 1e3\n",
    "a: .inf\n",
    "--- \na: 1\n",
    "a: one\n  two\n",
    'a: "one\n  two"\n',
    "? a\n: b\n",
    "<<: {a: 1}\n",
    '"__proto__": {a: 1}\n',
    "a:\tb\n",
    "a: b: c\n",
    "a: [1,\n 2]\n",
    "1: x\n",
    "true: x\n",
    "a: |2\n   x\n",
    "a: |\n    x\n  y\n",
    "a: 9007199254740993\n",
    "a: - b\n",
    "a: @x\n",
    "a: `x`\n",
    "a: %x\n",
    "just text\n",
  ];
  test.each(declined)("is left to the complete parser: %j", (text) => {
    expect(parsePlainYaml(text)).toBeUndefined();
  });

  test("agrees with the complete parser on what that one writes", () => {
    const leaf = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: fc.constantFrom("a", " ", "\n", "#", ":", "-", "'", '"', "\\", "{", "[", ",", "|", "0", "é") }),
    );
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.array(tie("node"), { maxLength: 3 }),
        fc.dictionary(fc.oneof(fc.stringMatching(/^[a-z/_.-]{1,8}$/), fc.string({ maxLength: 5 })), tie("node"), { maxKeys: 3 }),
      ),
    }));
    let taken = 0;
    fc.assert(
      fc.property(fc.dictionary(fc.stringMatching(/^[a-z/_.-]{1,8}$/), tree.node, { maxKeys: 4 }), fc.constantFrom(0, 80), (value, lineWidth) => {
        if (agrees(stringify(value, { lineWidth }))) taken++;
      }),
      { numRuns: 800 },
    );
    expect(taken).toBeGreaterThan(50);
  });

  test("agrees with the complete parser on lines put together at random", () => {
    const line = fc.constantFrom(
      "a: 1",
      "b: x",
      "a:",
      "b:",
      "  c: y",
      "  d:",
      "    e: z",
      "- f",
      "- g: 1",
      "  h: 2",
      "  - i",
      "  - j: k",
      "",
      "  ",
      "    ",
      "# note",
      "  # note",
      "c: |",
      "c: |-",
      "  text",
      "   deeper",
      "      deep",
      "'q': 'w'",
      "k: [a, b]",
      "k: {a: b}",
      "- [x]",
      'l: "m" # n',
      "o: p #q",
      "- - r",
      "  s: |",
      "    t",
      "u: 'it''s'",
      "-",
      "v: - w",
      "x: y: z",
      "...",
      "---",
      "- |",
      "  ? a",
      "z: a:b",
      "z: a #",
      "z: # a",
      "'a':",
      '"a": 1',
      "- 'a'",
      "k: [ ]",
      "k: { }",
      "k: [a,b]",
      "k: {a:b}",
      "k: {a: b,c: d}",
      "k: [a, ]",
      "k: [a]x",
      "k: [a] # n",
      "é: 1",
      "z: é",
    );
    let taken = 0;
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 9 }), (lines) => {
        if (agrees(`${lines.join("\n")}\n`)) taken++;
      }),
      { numRuns: 6_000 },
    );
    expect(taken).toBeGreaterThan(300);
  });

  test("reads a thousand resources in a few milliseconds", () => {
    let text = "";
    for (let at = 0; at < 1_000; at++) text += `/tmp/files/${at}:\n  file:\n    content: |\n      line ${at}\n    mode: "0644"\n`;
    expect(Object.keys(parsePlainYaml(text)?.value ?? {})).toHaveLength(1_000);
  });
});

describe("YAML that an attacker or a slip of the hand would write (faults.md 31 to 33, 36)", () => {
  const refused: readonly (readonly [string, string, string])[] = [
    ["a key given twice", "a: 1\nb: 2\na: 3\n", "f.yaml:3:1 the same key is given twice in one map"],
    ["a key given twice in a flow map", "a: {b: 1, b: 2}\n", "f.yaml:1:11 the same key is given twice in one map"],
    ["a merge key", "x: &x {a: 1}\ny:\n  <<: *x\n", "f.yaml:3:3 uses a merge key (<<)"],
    ["__proto__", "a:\n  __proto__: {admin: true}\n", "f.yaml:2:3 has a key named __proto__"],
    ["a custom tag", "a: !!js/function 'x'\n", "f.yaml:1:4 has a tag that is not understood (Unresolved tag: tag:yaml.org,2002:js/function)"],
    ["a core tag", "a: !!str 1\n", "f.yaml:1:10 has the tag tag:yaml.org,2002:str"],
    ["YAML 1.1", "%YAML 1.1\n---\na: no\n", "f.yaml:1:0 has a %YAML directive"],
    ["two documents", "a: 1\n---\nb: 2\n", "f.yaml:2:1 holds several documents"],
    ["a number that is not exact", "a: 9007199254740993\n", "f.yaml:1:1 is too large to be exact"],
    ["an infinite number", "a:\n  - 1e400\n", "f.yaml:2:5 is not a finite number"],
    ["a NUL", "a: 'x\0y'\n", "f.yaml:1:6 holds the control character U+0000"],
    ["a byte-order mark", "\ufeffa: 1\n", "f.yaml:1:1 holds the control character U+FEFF"],
    ["half a character", "a: \ud800\n", "f.yaml:0:0 is not well-formed Unicode"],
    ["half a character, escaped", 'a: "\\ud800"\n', "f.yaml:1:1 is not well-formed Unicode"],
    ["a map as a key", "? {a: 1}\n: x\n", "f.yaml:1:3 a key is not a text"],
    ["brackets 100 000 deep", `a: ${"[".repeat(100_000)}\n`, "f.yaml:1:68 nests brackets deeper than 64 levels"],
    [
      "maps 40 deep",
      `${Array.from({ length: 40 }, (_, at) => `${" ".repeat(at)}a:\n`).join("")}${" ".repeat(40)}b: 1\n`,
      "f.yaml:33:33 nests deeper than 32 levels",
    ],
    ["tabs", "a:\n\tb: 1\n", "f.yaml:2:1 is indented with a tab"],
  ];
  test.each(refused)("%s", async (_, text, message) => {
    const document = await parseYaml("f.yaml", text);
    const fault = document.ok ? undefined : document.faults[0];
    expect(fault === undefined ? "accepted" : `${fault.file}:${fault.line}:${fault.column ?? 0} ${fault.message}`).toBe(message);
  });

  test("text that is no YAML says what usually mends it", async () => {
    for (const text of [
      "name: [a\nb: 1\n",
      "a: b: c\n",
      "a: 'x\n",
      "a: {b: 1\n",
      "a: @x\n",
      "a: `x\n",
      "- a\nb: 1\n",
      "a: 1\n  b: 2\n",
      "a:\n  b: 1\n c: 2\n",
      "at: *\n",
      "at: */5 * * * *\n",
      "a: *name\n",
    ]) {
      const read = await parseYaml("f.yaml", text);
      expect([text, read.ok ? [] : read.faults.filter(({ remedy, line }) => remedy === undefined || line === 0)]).toEqual([text, []]);
      expect(read.ok).toBe(false);
    }
  });
  test("an alias bomb is refused before it expands", async () => {
    let text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (let at = 1; at < 12; at++) text += `a${at}: &a${at} [${`*a${at - 1}, `.repeat(9)}*a${at - 1}]\n`;
    expect(await parseYaml("f.yaml", text)).toMatchObject({ ok: false });
    let short = "a0: &a0 [x]\n";
    for (let at = 1; at < 40; at++) short += `a${at}: &a${at} [*a${at - 1}, *a${at - 1}]\n`;
    expect(await parseYaml("f.yaml", short)).toMatchObject({ ok: false });
  });

  test("words that other YAML versions twist stay what they say", async () => {
    const document = await parseYaml("f.yaml", "norway: no\ntime: 12:30\nversion: 1.10.0\ndate: 2026-11-20\nzero: 0644\n");
    expect(document.ok && document.value.value).toEqual({ norway: "no", time: "12:30", version: "1.10.0", date: "2026-11-20", zero: 644 });
  });

  test("maps inherit nothing", () => {
    expect(Object.getPrototypeOf(withoutPrototypes({ a: { b: 1 } }))).toBeNull();
    expect(JSON.stringify(withoutPrototypes(JSON.parse('{"constructor":{"x":[{"toString":1}]}}')))).toBe('{"constructor":{"x":[{"toString":1}]}}');
  });

  test("takes hostile text in little time", async () => {
    const hostile = [
      `a: ${"a".repeat(200_000)}\n`,
      `${"- ".repeat(5_000)}a\n`,
      `a: "${"\\".repeat(50_001)}"\n`,
      `${"a".repeat(100_000)}: 1\n`,
      `a: '${"'".repeat(99_999)}'\n`,
      `a: [${"x, ".repeat(50_000)}x]\n`,
      `a: ${"# ".repeat(50_000)}\n`,
      `a: |\n${" \n".repeat(50_000)}`,
    ];
    const start = performance.now();
    for (const text of hostile) await parseYaml("f.yaml", text);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});
