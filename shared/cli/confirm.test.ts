import { expect, test } from "bun:test";
import { Fault } from "../core/fault.ts";
import { DEFAULT_GLOBALS, fakeTerminal } from "../sim/fake-terminal.ts";
import type { Call, Globals } from "./command.ts";
import { confirm, confirmName } from "./confirm.ts";

const call = (globals: Partial<Globals>, answers: readonly string[] | undefined, options: Call["options"] = {}) => ({
  globals: { ...DEFAULT_GLOBALS, ...globals },
  terminal: fakeTerminal(answers === undefined ? {} : { answers }),
  options,
});
const outcome = (asked: Promise<void>): Promise<string> =>
  asked.then(
    () => "goes on",
    (error: unknown) => (error instanceof Fault ? error.code : String(error)),
  );

test("a question that is not answered with yes is answered with no", async () => {
  for (const yes of ["y", "yes", "Y", " YES "]) expect(await outcome(confirm(call({}, [yes]), "?"))).toBe("goes on");
  for (const no of ["", "n", "no", "yep", "1", "true", "ok"]) expect([no, await outcome(confirm(call({}, [no]), "?"))]).toEqual([no, "cancelled"]);
});

test("with nobody to ask, only --yes goes on", async () => {
  expect(await outcome(confirm(call({}, undefined), "?"))).toBe("bad_request");
  expect(await outcome(confirm(call({ input: false }, ["y"]), "?"))).toBe("bad_request");
  expect(await outcome(confirm(call({ yes: true }, undefined), "?"))).toBe("goes on");
  expect(await outcome(confirm(call({ yes: true, input: false }, undefined), "?"))).toBe("goes on");
});

test("what can't be undone needs its name, and --yes is not a name", async () => {
  const name = (asking: Parameters<typeof confirmName>[0]): Promise<string> => outcome(confirmName(asking, { question: "?", name: "kovacs-1" }));
  expect(await name(call({}, ["kovacs-1"]))).toBe("goes on");
  for (const typed of ["", "y", "yes", "kovacs", "KOVACS-1"]) expect(await name(call({}, [typed]))).toBe("cancelled");
  expect(await name(call({ yes: true }, undefined))).toBe("bad_request");
  expect(await name(call({ yes: true, input: false }, undefined, { confirm: "kovacs-1" }))).toBe("goes on");
  expect(await name(call({}, ["kovacs-1"], { confirm: "dental-1" }))).toBe("bad_request");
});
