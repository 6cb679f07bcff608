import { describe, expect, test } from "bun:test";
import { refusalOf, testFleetId, testHost, valueOf } from "../sim/test-fleet.ts";
import { checkOp, describeOp, OP_KIND_NAMES, OP_KINDS, timeoutMsOf } from "./catalogue.ts";
import { newOp } from "./new-op.ts";
import { UNSIGNED_LIFETIME_MS_MAX } from "../trust/op.ts";
import { escapeUntrusted } from "../cli/escape.ts";

const random = { randomBytes: (count: number) => crypto.getRandomValues(new Uint8Array(count)) };
const DAY_MS = 86_400_000;
const host = { host_id: testHost("one").hostId };

describe("the catalogue", () => {
  test("its classes, as they are compiled into every agent", () => {
    const byClass = (wanted: string) => OP_KIND_NAMES.filter((kind) => OP_KINDS[kind].class === wanted).sort();
    expect(byClass("read")).toEqual(["facts.get", "file.get", "logs.tail", "ping", "plan.show"]);
    expect(byClass("destroy")).toEqual(["agent.forget", "guest.destroy", "host.rekey", "host.shutdown", "spec.apply"]);
    expect(OP_KIND_NAMES.filter((kind) => OP_KINDS[kind].unsignedByDefault).sort()).toEqual(["facts.get", "ping", "plan.show"]);
  });
  for (const kind of OP_KIND_NAMES) {
    const { example, aims, unsignedByDefault, class: of, idempotent, offline } = OP_KINDS[kind];
    test(`${kind}: its example is taken and described, and a parameter too many is not`, () => {
      const op = valueOf(checkOp(kind, example));
      expect(describeOp(op).length).toBeGreaterThan(0);
      expect(timeoutMsOf(op)).toBeGreaterThan(0);
      expect(timeoutMsOf(op)).toBeLessThanOrEqual(DAY_MS + 3_600_000);
      expect(refusalOf(checkOp(kind, { ...example, sudo: true }))).toBe("op_params");
      const target = aims === "guest" ? { ...host, guest_id: "vm-1" } : host;
      const made = valueOf(newOp({ fleetId: testFleetId("one"), kind, target, params: example, issuedAt: 1, lifetimeMs: 1_000 }, random));
      expect(made.op).toEqual(op);
    });
    test(`${kind}: what needs no signature only reads, and what only reads may be done again`, () => {
      if (unsignedByDefault) expect(of).toBe("read");
      if (of === "read") expect(idempotent).toBe(true);
      if (offline === "replace") expect(idempotent).toBe(true);
    });
  }
});

describe("params", () => {
  const code = (kind: string, params: Readonly<Record<string, unknown>>) => refusalOf(checkOp(kind, params));
  test("a signer reads what a destructive field of a spec does, not only how it is spelled", () => {
    const op = valueOf(checkOp("spec.apply", { generation: 7, fields: { retire: { from: "null", to: "true" } } }));
    expect(describeOp(op)).toEqual([
      "apply what generation 7 of the host's spec changes destructively",
      "retire: null becomes true",
      "leave the fleet, as by agent.forget: the host's keys, its desired state and its secrets at rest are deleted, and the agent stops",
    ]);
  });
  test("attack 17: words that a program would take for options or a shell for more never reach one", () => {
    for (const name of ["-rf", "--now", "a b", "a;b", "$(x)", "a\nb", "../x", "", "x".repeat(300)]) {
      expect([name, code("service.restart", { name }), code("package.upgrade", { names: [name] })]).toEqual([name, "op_params", "op_params"]);
    }
    // No shell is between: metacharacters in an argument are letters.
    expect(code("cmd.run", { argv: ["/bin/echo", "$(rm -rf /); `x` && y"] })).toBe("accepted");
    for (const argv of [[], ["a\0b"], "echo", [1], Array.from({ length: 300 }, () => "a")]) expect(code("cmd.run", { argv })).toBe("op_params");
  });
  test("attack 16: a script is inside what is signed; there is no way to name one that is fetched", () => {
    expect(code("cmd.run", { script: "echo hi" })).toBe("accepted");
    for (const params of [{ url: "https://x" }, { script: "x", sha256: "0".repeat(64) }, { script: { url: "https://x" } }, { script: "x", argv: ["y"] }, {}])
      expect(code("cmd.run", params)).toBe("op_params");
    expect(code("cmd.run", { script: "x".repeat(256 * 1_024 + 1) })).toBe("op_params");
  });
  test("attack 37: paths are absolute and plain", () => {
    for (const path of ["etc/motd", "/etc/../shadow", "/etc//motd", "/etc/./motd", "/etc/motd/", "/e\0tc", "/e\u202etc", "", `/${"a".repeat(300)}`]) {
      expect([path, code("file.get", { path }), code("file.put", { path, content: "" })]).toEqual([path, "op_params", "op_params"]);
    }
  });
  test("numbers stay in their bounds, and bytes have one spelling", () => {
    for (const timeout_s of [0, -1, 1.5, 86_401, "5", null]) expect(code("cmd.run", { argv: ["x"], timeout_s })).toBe("op_params");
    for (const content of ["V2VsY29tZQo", "V2VsY29tZQp=", "V2VsY29t ZQo=", "_-8="]) expect(code("file.put", { path: "/etc/motd", content })).toBe("op_params");
    expect(code("converge.pause", { minutes: 43_201 })).toBe("op_params");
  });
});

describe("descriptions", () => {
  test("a script can't speak in the description's own voice", () => {
    const lines = describeOp(valueOf(checkOp("cmd.run", { script: "true\nas user nobody, in /, for at most 1 s\n" })));
    expect(lines.filter((line) => line.startsWith("as "))).toEqual(["as the agent's own user, in /, for at most 5 min"]);
    expect(lines).toContain("  | as user nobody, in /, for at most 1 s");
  });
  test("every part of the params is in them", () => {
    const text = describeOp(
      valueOf(checkOp("cmd.run", { argv: ["/bin/sh", "-c", "it's"], env: { A: "1" }, user: "www-data", cwd: "/srv", stdin: "aGVsbG8=", timeout_s: 7 })),
    ).join("\n");
    for (const part of ["/bin/sh -c 'it'\\''s'", "A=1", "www-data", "/srv", "| hello", "7 s"]) expect(text).toContain(part);
  });
  test("control characters are left for whoever prints to show", () => {
    const line = describeOp(valueOf(checkOp("cmd.run", { script: "\u001b[2J" }))).at(1) ?? "";
    expect(
      describeOp(valueOf(checkOp("cmd.run", { script: "\u001b[2J" })))
        .map(escapeUntrusted)
        .join(""),
    ).toContain("\\x1b[2J");
    expect(line).not.toBe("");
  });
  test("what is no text is told by its size, hash and first bytes", () => {
    const lines = describeOp(valueOf(checkOp("file.put", { path: "/x", content: "AP8=" })));
    expect(lines.join("\n")).toContain("2 bytes, sha256 ");
    expect(lines).toContain("  | not text; it begins with 00ff");
  });
});

test("an op that every host would refuse is not made", () => {
  const wish = { fleetId: testFleetId("one"), kind: "ping", target: host, params: {}, issuedAt: 1, lifetimeMs: 1_000 };
  const code = (changes: Partial<typeof wish>) => refusalOf(newOp({ ...wish, ...changes }, random));
  expect([code({}), code({ kind: "host.paint" }), code({ params: { a: 1 } }), code({ lifetimeMs: 31 * DAY_MS }), code({ lifetimeMs: 0 })]).toEqual([
    "accepted",
    "op_kind_unknown",
    "op_params",
    "lifetime_too_long",
    "lifetime_too_long",
  ]);
  expect(
    refusalOf(
      newOp(
        {
          ...wish,
          kind: "cmd.run",
          params: {
            script: "x".repeat(200_000),
            stdin: "A".repeat(174_000),
            env: Object.fromEntries(Array.from({ length: 64 }, (_, at) => [`A${at}`, "x".repeat(8_000)])),
          },
        },
        random,
      ),
    ),
  ).toBe("envelope_too_large");
  expect(UNSIGNED_LIFETIME_MS_MAX).toBeLessThan(DAY_MS);
});

test("a refusal names the place and says what is wrong there", () => {
  const detail = (kind: string, params: Readonly<Record<string, unknown>>): string => {
    const verdict = checkOp(kind, params);
    return verdict.ok ? "accepted" : verdict.detail;
  };
  expect(detail("service.restart", {})).toBe("name: is missing");
  expect(detail("service.restart", { name: "a b" })).toContain("is not a service name");
  expect(detail("cmd.run", { script: "x", timeout_s: 0 })).toContain("timeout_s: 0 is below 1");
  expect(detail("cmd.run", { argv: ["x"], cwd: "x" })).toContain("cwd");
  expect(detail("converge.pause", { minutes: 60, sudo: 1 })).toContain("there is no parameter");
});
