import { expect, test } from "bun:test";
import { Fault } from "../core/fault.ts";
import { DEFAULT_GLOBALS, fakeTerminal } from "../sim/fake-terminal.ts";
import type { Globals } from "./command.ts";
import { faultScreen } from "./fault-screen.ts";

function screen(error: unknown, globals: Partial<Globals> = {}): { readonly code: number; readonly out: string; readonly err: string } {
  const terminal = fakeTerminal();
  const code = faultScreen(error, { globals: { ...DEFAULT_GLOBALS, ...globals }, terminal, nowMs: 0 });
  return { code, out: terminal.stdout(), err: terminal.stderr() };
}

test("an error says what failed, why, what to run, and its code, on stderr", () => {
  const fault = new Fault("net_unreachable", "Cannot reach the hub: no connection to https://hub", { cause: new Error("connect ECONNREFUSED") });
  expect(screen(fault)).toEqual({
    code: 75,
    out: "",
    err: "✗ Cannot reach the hub: no connection to https://hub\n  why   No connection could be made. (connect ECONNREFUSED)\n  next  felhom doctor --hub looks at each part of the way to the hub.\n  code  net_unreachable, exit 75\n",
  });
});

test("its own remedy goes before the usual one, and a message that says it all has no why", () => {
  expect(screen(new Fault("bad_request", "Cannot run felhom x", { remedy: "Did you mean felhom y?" })).err).toBe(
    "✗ Cannot run felhom x\n  next  Did you mean felhom y?\n  code  bad_request, exit 2\n",
  );
});

test("a full disk, a database's too, says what to free", () => {
  for (const code of ["disk_full", "db_full"] as const) expect(screen(new Fault(code, "Cannot write")).err).toContain("  next  Free some space");
});

test("hostile text inside a fault is shown, not obeyed", () => {
  const { err } = screen(new Fault("refused", "Cannot do that: \u001b[2J\u202e", { remedy: "\u0007", cause: new Error("a\rb") }));
  expect(err.replaceAll("\n", "")).not.toMatch(/[\u0000-\u001f\u202e]/);
});

test("json errors are one object on stderr in the fields of a problem", () => {
  const { out, err, code } = screen(new Fault("conflict", "Cannot write", { facts: { generation: 3 } }), { output: "json" });
  expect([out, code]).toEqual(["", 9]);
  expect(JSON.parse(err)).toEqual({
    apiVersion: "felhom/v1",
    kind: "Error",
    generatedAt: "1970-01-01T00:00:00Z",
    code: "conflict",
    title: "Cannot write",
    detail: "",
    remedy: "Look at it again, then repeat the command.",
    facts: { generation: 3 },
    exit: 9,
  });
  expect(JSON.parse(screen(new Fault("conflict", "x"), { output: "jsonl" }).err).type).toBe("error");
});

test("the trace comes with --debug only; a defect is called one", () => {
  const defect = new Error("Broken invariant: x");
  expect(screen(defect).err).not.toContain("fault-screen.test");
  expect(screen(defect, { debug: true }).err).toContain("fault-screen.test");
  expect(screen(defect).err).toContain("a defect of its own");
  expect(screen(defect).code).toBe(1);
});
