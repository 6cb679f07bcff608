import { describe, expect, test } from "bun:test";
import { isHostId, type HostId } from "../core/ids.ts";
import { refusalOf, testHost, valueOf } from "../sim/test-fleet.ts";
import { opSubject } from "../sim/test-op.ts";
import { checkAim, checkTarget, exceptTarget, hostList, hostsTarget, judgeTarget, OP_TARGET_HOSTS_MAX, openTargets } from "./op-target.ts";

const expressions = await openTargets();
const hostIds = (count: number): readonly HostId[] =>
  Array.from(
    { length: count },
    (_, at) =>
      `h-${at
        .toString(26)
        .replace(/[0-9a-p]/g, (digit) => "abcdefghijklmnopqrstuvwxyz"[Number.parseInt(digit, 26)] ?? "a")
        .padStart(16, "2")}`,
  ).filter(isHostId);
const me = opSubject.host.id;
const is = (expr: string, subject = opSubject): string => judgeTarget({ expr }, subject, expressions).is;

describe("who is meant", () => {
  test("labels, facts, name and id; what cannot be decided does not mean this host", () => {
    const table: readonly (readonly [string, string])[] = [
      ["true", "meant"],
      ["false", "not-meant"],
      ["label.site == 'gyor'", "meant"],
      ["label.site == 'pecs'", "not-meant"],
      ["fact.memory.total_mb >= 8192 && host.name == 'kovacs-1'", "meant"],
      [`host.id == '${me}'`, "meant"],
      ["label.rack == 'a'", "not-meant"],
      ["has(label.rack) && label.rack == 'a'", "not-meant"],
      ["fact.gpu.count > 0", "not-meant"],
      ["secret.smtp == 'x'", "not-meant"],
      ["label.site.matches('g.*')", "not-meant"],
      ["label.site ==", "not-meant"],
      ["1", "not-meant"],
      ["label.site", "not-meant"],
    ];
    for (const [expr, wanted] of table) expect([expr, is(expr)]).toEqual([expr, wanted]);
  });
  test("attack 2: another host, and a guest of another host", () => {
    const other = testHost("other").hostId;
    expect(judgeTarget({ host_id: other }, opSubject, undefined).is).toBe("not-meant");
    expect(judgeTarget({ host_id: other, guest_id: "vm-104" }, opSubject, undefined).is).toBe("not-meant");
  });
  test("without the library: an id, a list of ids, true and false; anything else asks for it", () => {
    expect(judgeTarget({ expr: `host.id in ["${me}", "h-aaaaaaaaaaaaaaaa"]` }, opSubject, undefined).is).toBe("meant");
    expect(judgeTarget({ expr: "label.site == 'gyor'" }, opSubject, undefined).is).toBe("undecided");
  });
});

describe("lists of hosts", () => {
  test("say the same to the short reader and to the library, for a thousand hosts and for the most there may be", () => {
    for (const count of [2, 1_000, OP_TARGET_HOSTS_MAX]) {
      const ids = hostIds(count);
      expect(new Set(ids).size).toBe(count);
      const target = valueOf(hostsTarget(ids));
      if (!("expr" in target)) throw new Error("a list is an expression");
      for (const id of [ids[0] ?? "", ids[count - 1] ?? "", me]) {
        const subject = { ...opSubject, host: { id, name: "x" } };
        const short = judgeTarget(target, subject, undefined).is;
        const whole = expressions.evaluate(target.expr, "host", subject);
        expect([short, whole]).toEqual([id === me ? "not-meant" : "meant", { ok: true, value: id !== me }]);
      }
    }
  });
  test("one host is an id, none and too many are refused, and doubles count once", () => {
    const [one] = hostIds(1);
    if (one === undefined) throw new Error("one");
    expect(hostsTarget([one, one])).toEqual({ ok: true, value: { host_id: one } });
    expect([refusalOf(hostsTarget([])), refusalOf(hostsTarget(hostIds(OP_TARGET_HOSTS_MAX + 1)))]).toEqual(["op_target_mismatch", "op_target_mismatch"]);
  });
  test("nothing that only looks like a list is read as one", () => {
    const near = [
      "host.id in []",
      'host.id in ["h-aaaaaaaaaaaaaaaa"] || true',
      'host.id in ["h-AAAAAAAAAAAAAAAA"]',
      'host.id  in ["h-aaaaaaaaaaaaaaaa"]',
      'host.id in ["h-aaaaaaaaaaaaaaaa"]\n',
    ];
    for (const expr of near) expect([expr, hostList(expr)]).toEqual([expr, undefined]);
  });
  test("all but some: the expression stays what it was", () => {
    const target = valueOf(exceptTarget("label.site == 'gyor' || true", [testHost("other").hostId]));
    if (!("expr" in target)) throw new Error("an expression");
    expect(is(target.expr)).toBe("meant");
    expect(is(target.expr, { ...opSubject, host: { id: testHost("other").hostId, name: "other" } })).toBe("not-meant");
    expect(valueOf(exceptTarget("true", []))).toEqual({ expr: "true" });
  });
});

describe("before signing", () => {
  test("what an expression reads is told apart: labels that were signed, facts that boxes claim", () => {
    const reads = (expr: string) => valueOf(checkTarget({ expr }, expressions));
    expect(reads("label.site == 'gyor' && has(fact.os) && fact['os'].family == 'debian' && host.name != 'x'")).toEqual({
      labels: ["site"],
      facts: ["os"],
      host: ["name"],
    });
    expect(reads("label[host.name] == 'x'")).toEqual({ labels: ["*"], facts: [], host: ["name"] });
    expect(reads("fact.exists(f, f == 'os')")).toMatchObject({ facts: ["*"] });
    expect(reads("true")).toEqual({ labels: [], facts: [], host: [] });
    expect(valueOf(checkTarget({ host_id: testHost("x").hostId }, expressions))).toEqual({ labels: [], facts: [], host: ["id"] });
  });
  test("an expression that no host could take is refused with its reason", () => {
    for (const expr of ["label.site ==", "secret.x == '1'", "label.site.matches('x')", "1 + 1", `label.a == '${"x".repeat(70_000)}'`]) {
      expect([expr.slice(0, 30), refusalOf(checkTarget({ expr }, expressions))]).toEqual([expr.slice(0, 30), "op_target_mismatch"]);
    }
  });
  test("a guest kind wants a guest, and no other kind takes one", () => {
    const host = { host_id: testHost("x").hostId };
    const guest = { ...host, guest_id: "vm-1" };
    expect(
      [
        checkAim("guest.start", guest),
        checkAim("guest.start", host),
        checkAim("guest.start", { expr: "true" }),
        checkAim("ping", guest),
        checkAim("ping", host),
        checkAim("host.paint", host),
      ].map(refusalOf),
    ).toEqual(["accepted", "op_params", "op_params", "op_params", "accepted", "op_kind_unknown"]);
  });
});
