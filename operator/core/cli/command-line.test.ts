import { expect, test } from "bun:test";
import type { Call, Command } from "../../../shared/cli/command.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { didYouMean, distance } from "./did-you-mean.ts";
import { eitherOf, side } from "./either-of.ts";
import { findCommand, wordsOf } from "./find-command.ts";
import { globalsOf } from "./global-options.ts";
import { searchCommands } from "./help-text.ts";
import { parseCommand } from "./parse-command.ts";

const command = (path: Command["path"], more: Partial<Command> = {}): Command => ({
  path,
  summary: path.join(" "),
  examples: [],
  args: [],
  options: [],
  mutates: false,
  load: () => Promise.reject(new Error("not run")),
  ...more,
});
const LIST = command(["host", "list"], {
  args: [{ name: "name", summary: "", required: false }],
  options: [
    { name: "label", short: "l", value: "K=V", many: true, summary: "" },
    { name: "no-windows", summary: "" },
    { name: "limit", value: "N", default: "50", summary: "" },
  ],
});
const LABEL = command(["host", "label"], {
  args: [
    { name: "host", summary: "", required: true },
    { name: "labels", summary: "", required: false, many: true },
  ],
  mutates: true,
});
const AUDIT = [command(["audit"]), command(["audit", "verify"])];
const faultOf = (run: () => unknown): string => {
  try {
    run();
    return "none";
  } catch (error) {
    return error instanceof Fault ? `${error.code}: ${error.message}${error.remedy === undefined ? "" : ` | ${error.remedy}`}` : String(error);
  }
};

test("global options may stand anywhere around the words of a command", () => {
  const found = (line: string) => {
    const one = findCommand([LIST, LABEL], line.split(" "));
    return [one?.command.path.join(" "), one?.rest.join(" ")];
  };
  expect(found("host list")).toEqual(["host list", ""]);
  expect(found("--home /h -o json host --context a list web-1")).toEqual(["host list", "--home /h -o json --context a web-1"]);
  expect(found("host lst")).toEqual([undefined, undefined]);
  expect(wordsOf(["-o", "json", "host", "--", "list"]).map(({ text }) => text)).toEqual(["host"]);
});

test("the longest path wins, and a noun of its own is one too", () => {
  expect(findCommand(AUDIT, ["audit"])?.command.path).toEqual(["audit"]);
  expect(findCommand(AUDIT, ["audit", "verify"])?.command.path).toEqual(["audit", "verify"]);
});

test("options are read into plain values: lists, flags, defaults, and --no-x as a flag of that name", () => {
  expect(parseCommand(LIST, ["web-*", "-l", "a=1", "--label=b=2", "--no-windows", "-o", "json"])).toEqual({
    args: { name: "web-*" },
    options: { label: ["a=1", "b=2"], "no-windows": true, limit: "50", output: "json" },
  });
  expect(parseCommand(LABEL, ["h", "a=1", "b-", "--yes", "--no-input"])).toEqual({
    args: { host: "h", labels: ["a=1", "b-"] },
    options: { yes: true, "no-input": true },
  });
});

test("a wrong command line is told in words, with a guess that is not run", () => {
  expect(faultOf(() => parseCommand(LIST, ["--lable", "a=1"]))).toBe(
    "bad_request: Cannot run felhom host list: unknown option '--lable' | Did you mean --label? felhom host list --help shows all.",
  );
  expect(faultOf(() => parseCommand(LABEL, []))).toBe("bad_request: Cannot run felhom host label: missing required argument 'host' | felhom host label --help");
  expect(faultOf(() => parseCommand(LIST, ["a", "b"]))).toStartWith("bad_request: Cannot run felhom host list: too many arguments");
  expect(faultOf(() => parseCommand(LIST, ["--limit"]))).toStartWith("bad_request: Cannot run felhom host list: option '--limit <N>' argument missing");
});

test("--yes belongs to commands that change something", () => {
  expect(faultOf(() => parseCommand(LIST, ["--yes"]))).toStartWith("bad_request");
  expect(parseCommand(LABEL, ["h", "--dry-run", "--reason", "x"]).options).toEqual({ "dry-run": true, reason: "x" });
});

test("globals: flag over environment over default", () => {
  const env = { HOME: "/home/op", FELHOM_CONTEXT: "env" };
  expect(globalsOf({}, env)).toMatchObject({ output: "table", input: true, context: "env", home: "/home/op/.config/felhom", timeoutMs: 30_000, yes: false });
  expect(globalsOf({ context: "flag", "no-input": true, timeout: "5m" }, env)).toMatchObject({ context: "flag", input: false, timeoutMs: 300_000 });
  expect(globalsOf({}, { HOME: "/h", XDG_CONFIG_HOME: "/x" }).home).toBe("/x/felhom");
  expect(globalsOf({}, { FELHOM_HOME: "/f", HOME: "/h" }).home).toBe("/f");
  expect(globalsOf({ json: true }, {}).output).toBe("json");
  expect(faultOf(() => globalsOf({ output: "xml" }, {}))).toStartWith("bad_request: Cannot print as xml");
  for (const bad of ["0", "-1", "soon", "99999999"]) expect(faultOf(() => globalsOf({ timeout: bad }, {}))).toStartWith("bad_request");
});

test("guesses are near, few, and know what people from elsewhere type", () => {
  const nouns = ["host", "hub", "bundle", "event", "audit", "publish", "list", "revoke"];
  expect(didYouMean("hots", nouns)).toEqual(["host"]);
  expect(didYouMean("bundel", nouns)).toEqual(["bundle"]);
  expect(didYouMean("ls", nouns)).toEqual(["list"]);
  expect(didYouMean("enrollment", nouns)).toEqual(["host"]);
  expect(didYouMean("pub", nouns)).toEqual(["publish", "hub"]);
  expect(didYouMean("xyzzy", nouns)).toEqual([]);
  expect([distance("host", "hots"), distance("", "abc"), distance("same", "same")]).toEqual([1, 3, 0]);
});

test("help finds a command by any of its words, names first", () => {
  const all = [
    command(["host", "spec"], { summary: "Show or edit", options: [{ name: "pause", value: "T", summary: "Apply nothing" }] }),
    command(["pause"], { summary: "x" }),
    ...AUDIT,
  ];
  expect(searchCommands(all, ["audit"]).map(({ path }) => path.join(" "))).toEqual(["audit", "audit verify"]);
  expect(searchCommands(all, ["host", "pause"]).map(({ path }) => path.join(" "))).toEqual(["host spec"]);
  expect(searchCommands(all, ["nothing-like-it"])).toEqual([]);
});

test("status means the box on a box, the fleet on a workstation, and flags decide before either", () => {
  const call = (options: Call["options"], context?: string) => ({ options, globals: { context } }) as unknown as Call;
  const box = (isBox: boolean): Command => command(["status"], { options: [{ name: "data-dir", value: "D", summary: "" }], isHere: () => isBox });
  const fleet = command(["status"], { options: [{ name: "hub", summary: "" }] });
  const table: readonly (readonly [Call["options"], string | undefined, boolean, "box" | "fleet"])[] = [
    [{}, undefined, true, "box"],
    [{}, undefined, false, "fleet"],
    [{ fleet: true }, undefined, true, "fleet"],
    [{ box: true }, undefined, false, "box"],
    [{}, "home", true, "fleet"],
    [{ "data-dir": "/d" }, undefined, false, "box"],
    [{ hub: true }, undefined, true, "fleet"],
  ];
  for (const [options, context, isBox, wanted] of table) expect([options, side(box(isBox), fleet, call(options, context))]).toEqual([options, wanted]);
  expect(faultOf(() => side(box(true), fleet, call({ box: true, fleet: true })))).toStartWith("bad_request");
  expect(eitherOf(box(true), fleet).options.map(({ name }) => name)).toEqual(["box", "fleet", "hub", "data-dir"]);
});

test("an option that has a default was not given: it decides nothing", () => {
  const box = command(["status"], { options: [{ name: "lines", value: "N", default: "50", summary: "" }], isHere: () => false });
  const fleet = command(["status"]);
  const merged = eitherOf(box, fleet);
  const call = (argv: readonly string[]): Call => ({ options: parseCommand(merged, argv).options, globals: {} }) as unknown as Call;
  expect([side(box, fleet, call([])), side(box, fleet, call(["--lines", "5"])), side(box, fleet, call(["--fleet"]))]).toEqual(["fleet", "box", "fleet"]);
});
