import { describe, expect, test } from "bun:test";
import { openExpressions } from "./expression.ts";

const SUBJECT = {
  labels: { role: "web", "rack.no": "4" },
  facts: { os: { family: "debian" }, mem_mb: 8192, load: 0.5, nics: ["eth0"], up: true, swap: null },
  host: { id: "h-x", name: "web-1" },
};

async function judge(text: string, scope: "host" | "labels" = "host") {
  const judged = (await openExpressions()).evaluate(text, scope, SUBJECT);
  return judged.ok ? judged.value : judged.message;
}

describe("expressions", () => {
  test.each([
    ["true", true],
    ["false", false],
    ["label.role == 'web'", true],
    ['label["rack.no"] == "4"', true],
    ["fact.os.family in ['debian', 'ubuntu']", true],
    ["fact.mem_mb >= 8192 && fact.mem_mb / 2 == 4096", true],
    ["fact.load < 1.0", true],
    ["'eth0' in fact.nics && size(fact.nics) == 1", true],
    ["fact.nics.exists(nic, nic.startsWith('wlan'))", false],
    ["host.name.startsWith('web-')", true],
    ["has(label.rack) && label.rack == '1'", false],
    ["!has(label.rack)", true],
    ["fact.up", true],
    ["fact.swap == null", true],
  ])("%s is %p", async (text, value) => {
    expect(await judge(text)).toBe(value);
  });

  test.each([
    ["label.rack == '1'", "this host has no label.rack"],
    ["fact.os.version == '12'", "this host has no fact.os.version"],
    ["label.toString == 'x'", "this host has no label.toString"],
    ["fact.os.constructor == 'x'", "this host has no fact.os.constructor"],
    ["label.__proto__ == 'x'", "this host has no label.__proto__"],
    ["rack == '1'", "there is no rack in expressions"],
    ["settings.x == 1", "there is no settings in expressions"],
    ["label.role", "the expression gives a string, true or false is wanted"],
    ["fact.mem_mb", "the expression gives a bigint, true or false is wanted"],
    ["label.role == 5", "the expression is not understood: no such overload: string == int"],
    ["label.role ==", "the expression is not understood: Unexpected token: EOF"],
    ["", "the expression is not understood: Unexpected token: EOF"],
    ["label.role.matches('^(a+)+$')", "the expression uses matches()"],
    ["[1].all(x, matches(label.role, 'a'))", "the expression uses matches()"],
    [`"${"a".repeat(3_000)}" == label.role`, "the expression has 3016 characters, at most 2048 are taken"],
  ])("%s is refused in words", async (text, message) => {
    expect(await judge(text)).toBe(message);
  });

  test("secrets are aimed by what the operator signed, never by what a box claims", async () => {
    expect(await judge("label.role == 'web' && host.name == 'web-1'", "labels")).toBe(true);
    expect(await judge("fact.os.family == 'debian'", "labels")).toBe("the expression uses fact");
    expect(await judge("label.role == 'db' && fact.up", "labels")).toBe("the expression uses fact");
    expect(await judge("has(fact.up)", "labels")).toBe("the expression uses fact");
  });

  test("a check finds what is wrong without a host", async () => {
    const { check } = await openExpressions();
    expect(check("label.anything == 'x'", "host")).toEqual({ ok: true, value: true });
    expect(check("lable.role == 'x'", "host")).toMatchObject({ ok: false, message: "there is no lable in expressions" });
  });

  test("hostile expressions end at once (faults.md 35)", async () => {
    const hostile = [
      "(".repeat(2_000),
      "!".repeat(2_000),
      `${"[".repeat(900)}${"]".repeat(900)} == []`,
      `${"1+".repeat(1_000)}1 == 1`,
      `"${"\\x41".repeat(500)}" == 'x'`,
    ];
    const start = performance.now();
    for (const text of hostile) expect(await judge(text)).not.toBe(true);
    expect(performance.now() - start).toBeLessThan(1_000);
  });
});
