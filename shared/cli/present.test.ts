import { expect, test } from "bun:test";
import { DEFAULT_GLOBALS, fakeTerminal } from "../sim/fake-terminal.ts";
import { testWorld } from "../sim/test-world.ts";
import type { Globals } from "./command.ts";
import { hint, present, presentLine, type Answer } from "./present.ts";

const LIST: Answer = {
  kind: "HostList",
  data: {
    items: [
      { name: "a", id: "h-1" },
      { name: "b\u001b", id: "h-2" },
    ],
    summary: { ok: 2 },
  },
  human: () => "  text",
  next: "felhom status",
};
const ONE: Answer = { kind: "BundleDiff", data: { version: 3, note: "no" }, human: () => "one" };

function shown(answer: Answer, globals: Partial<Globals>): { readonly out: string; readonly err: string } {
  using world = testWorld();
  const terminal = fakeTerminal();
  present({ world, terminal, globals: { ...DEFAULT_GLOBALS, ...globals } }, answer);
  return { out: terminal.stdout(), err: terminal.stderr() };
}

test("people get text on stdout and the next command on stderr", () => {
  expect(shown(LIST, {})).toEqual({ out: "  text\n", err: "Next: felhom status\n" });
  expect(shown(LIST, { quiet: true })).toEqual({ out: "  text\n", err: "" });
});

test("json carries version, kind and time, and no hint", () => {
  const { out, err } = shown(LIST, { output: "json" });
  expect(err).toBe("");
  expect(JSON.parse(out)).toEqual({
    apiVersion: "felhom/v1",
    kind: "HostList",
    generatedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    items: [
      { name: "a", id: "h-1" },
      { name: "b\u001b", id: "h-2" },
    ],
    summary: { ok: 2 },
  });
  expect(out).not.toContain("\u001b");
});

test("jsonl has a type on each line and the summary last", () => {
  expect(shown(LIST, { output: "jsonl" }).out).toBe(
    '{"type":"host","name":"a","id":"h-1"}\n{"type":"host","name":"b\\u001b","id":"h-2"}\n{"type":"summary","count":2,"ok":2}\n',
  );
  expect(shown(ONE, { output: "jsonl" }).out).toBe('{"type":"bundle-diff","version":3,"note":"no"}\n');
});

test("names are one a line, and yaml quotes what yaml readers twist", () => {
  expect(shown(LIST, { output: "name" }).out).toBe("a\nb\\u001b\n");
  expect(shown(ONE, { output: "yaml" }).out).toContain("kind: BundleDiff\n");
  expect(shown(ONE, { output: "yaml" }).out).toContain('note: "no"\n');
});

test("hints are for people only; a stream line follows the form", () => {
  const terminal = fakeTerminal();
  hint({ terminal, globals: { ...DEFAULT_GLOBALS, output: "json" } }, "x");
  hint({ terminal, globals: { ...DEFAULT_GLOBALS, quiet: true } }, "x");
  expect(terminal.stderr()).toBe("");
  presentLine({ terminal, globals: DEFAULT_GLOBALS }, { type: "event", data: { a: 1 }, human: () => "line" });
  presentLine({ terminal, globals: { ...DEFAULT_GLOBALS, output: "json" } }, { type: "event", data: { a: 1 }, human: () => "line" });
  expect(terminal.stdout()).toBe('line\n{"type":"event","a":1}\n');
});
