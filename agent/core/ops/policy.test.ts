import { describe, expect, test } from "bun:test";
import type { OpKindName } from "../../../shared/ops/catalogue.ts";
import { opBytes, operatorKeys, opPayloadOf, opRoot } from "../../../shared/sim/test-op.ts";
import { valueOf } from "../../../shared/sim/test-fleet.ts";
import type { SigningKey } from "../../../shared/trust/keys.ts";
import { unsignedOp, verifyOp, verifyOpBytes } from "../../../shared/trust/op.ts";
import { damagedPolicy, judgePolicy, OPEN_POLICY, parsePolicy, POLICY_BYTES_MAX } from "./policy.ts";

const { anna, bela, cili } = operatorKeys;
const root = opRoot();
const noon = { day: 3, minute: 720 };
/** Verdict of a policy file on an op of this kind with these signers. */
async function judge(
  yaml: string | undefined,
  kind: OpKindName,
  keys: readonly SigningKey[] = [anna],
  changes: Readonly<Record<string, unknown>> = {},
  at = noon,
): Promise<string> {
  const op = valueOf(verifyOpBytes(opBytes(kind, changes, keys), root));
  const verdict = judgePolicy(await parsePolicy(yaml), op, root, at);
  return verdict.ok ? "allowed" : `${verdict.refusal}: ${verdict.detail}`;
}
const why = async (yaml: string): Promise<string> => {
  const policy = await parsePolicy(yaml);
  return policy.is === "sound" ? "sound" : policy.because;
};

describe("a policy tightens", () => {
  test("without a file nothing is denied", async () => {
    expect(await judge(undefined, "cmd.run")).toBe("allowed");
    expect(await parsePolicy(undefined)).toEqual({ is: "sound", policy: OPEN_POLICY });
  });
  test("kinds can be denied, by name or by family", async () => {
    const yaml = "version: 1\ndeny: [cmd.run, 'host.*']\n";
    expect([await judge(yaml, "cmd.run"), await judge(yaml, "host.reboot"), await judge(yaml, "converge.now")]).toEqual([
      "op_policy: cmd.run is denied here",
      "op_policy: host.* is denied here",
      "allowed",
    ]);
  });
  test("a kind can be raised to a stricter class, and then needs its role and threshold", async () => {
    const yaml = "version: 1\nraise:\n  cmd.run: destroy\n";
    expect(await judge(yaml, "cmd.run")).toStartWith("op_policy: 1 of the 2 signers with role destroy");
    expect(await judge(yaml, "cmd.run", [anna, cili])).toBe("allowed");
    expect(await judge(yaml, "converge.now")).toBe("allowed");
  });
  test("more signers than the root asks for", async () => {
    const yaml = "version: 1\nsigners:\n  change: 2\n  destroy: 1\n";
    expect([await judge(yaml, "converge.now"), await judge(yaml, "converge.now", [anna, bela]), await judge(yaml, "agent.forget", [anna, bela])]).toEqual([
      expect.stringMatching(/^op_policy: 1 of the 2 signers with role operate/),
      "allowed",
      "allowed",
    ]);
    // One key twice is one signer.
    expect(await judge(yaml, "converge.now", [anna, anna])).toStartWith("op_policy");
  });
  test("windows, by the box's own clock and zone", async () => {
    const yaml = "version: 1\nwindows:\n  change:\n    - { days: [0, 6], from: '22:00', to: '04:00' }\n";
    const at = (day: number, minute: number) => judge(yaml, "converge.now", [anna], {}, { day, minute });
    expect([await at(6, 1_400), await at(0, 30), await at(3, 1_400), await at(6, 600)]).toEqual([
      "allowed",
      "allowed",
      expect.stringMatching(/^op_policy/),
      expect.stringMatching(/^op_policy/),
    ]);
    expect(await judge(yaml, "file.get", [anna], {}, { day: 3, minute: 600 })).toBe("allowed");
  });
  test("a shorter life", async () => {
    const yaml = "version: 1\nlifetimeSeconds: 600\n";
    const { issued_at } = opPayloadOf("converge.now");
    expect([await judge(yaml, "converge.now"), await judge(yaml, "converge.now", [anna], { expires_at: issued_at + 600_000 })]).toEqual([
      "op_policy: it lives longer than the 600 s that are allowed here",
      "allowed",
    ]);
  });
  test("reads only with a signature, for all or for one kind", async () => {
    const op = valueOf(verifyOp({ envelope: unsignedOp(new TextEncoder().encode(JSON.stringify(opPayloadOf("ping")))), root }));
    for (const yaml of ["version: 1\nsignedReads: true\n", "version: 1\nraise: { ping: change }\n", "version: 1\ndeny: [ping]\n"]) {
      const verdict = judgePolicy(await parsePolicy(yaml), op, root, noon);
      expect([yaml, verdict.ok]).toEqual([yaml, false]);
    }
    expect(judgePolicy(await parsePolicy("version: 1\n"), op, root, noon).ok).toBe(true);
  });
});

describe("a policy never loosens, and what can't be read forbids everything", () => {
  test("every looser or unknown word refuses the whole file", async () => {
    const files = [
      "version: 1\nallow: [cmd.run]\n",
      "version: 1\nunsigned: [cmd.run]\n",
      "version: 1\nraise: { host.shutdown: change }\n",
      "version: 1\nraise: { 'agent.*': change }\n",
      "version: 1\nsigners: { change: 0 }\n",
      "version: 1\nsigners: { root: 1 }\n",
      "version: 1\nlifetimeSeconds: 99999999\n",
      "version: 1\nwindows: { change: [] }\n",
      "version: 1\ndeny: [cmd.rnu]\n",
      "version: 1\ndeny: ['*']\n",
      "version: 1\ndeny: cmd.run\n",
      "version: 2\n",
      "deny: [cmd.run]\n",
      "",
      "[]",
      "version: 1\nversion: 1\n",
      "version: 1\ndeny: [cmd.run\n",
      "version: 1\n\u0000",
      `version: 1\n# ${"x".repeat(POLICY_BYTES_MAX)}\n`,
    ];
    for (const file of files)
      expect([file.slice(0, 60), await judge(file, "ping")]).toEqual([file.slice(0, 60), expect.stringMatching(/^op_policy: .*can't be read as a policy/)]);
  });
  test("the owner is told where", async () => {
    expect(await why("version: 1\nraise: { host.shutdown: change }\n")).toBe(
      "raise.host.shutdown: host.shutdown is already stricter than change, and a policy can only tighten",
    );
    expect(await why("version: 1\ndeny: [cmd.rnu]\n")).toBe("there is no kind of op called cmd.rnu");
    expect(await why("version: 1\nallow: [x]\n")).toContain("allow");
  });
  test("a file that could not be read from disk is damaged, not absent", () => {
    const op = valueOf(verifyOpBytes(opBytes("ping"), root));
    expect(judgePolicy(damagedPolicy("EIO"), op, root, noon)).toMatchObject({ ok: false, refusal: "op_policy" });
  });
  test("no policy admits what the open one refuses: 300 random files", async () => {
    const pick = <T>(all: readonly T[], at: number): T | undefined => all[at % all.length];
    for (let seed = 1; seed <= 300; seed += 1) {
      const yaml = `version: 1\nraise: { ${pick(["cmd.run", "ping", "host.reboot"], seed)}: ${pick(["change", "destroy"], seed >> 2)} }\nsigners: { change: ${1 + (seed % 3)}, destroy: ${1 + (seed % 2)} }\nsignedReads: ${seed % 2 === 0}\n`;
      const policy = await parsePolicy(yaml);
      const kind = pick(["cmd.run", "ping", "host.shutdown", "converge.now"] as const, seed >> 1) ?? "ping";
      const op = verifyOpBytes(opBytes(kind, {}, pick([[anna], [anna, bela], [cili]], seed >> 3) ?? [anna]), root);
      if (op.ok && judgePolicy(policy, op.value, root, noon).ok) expect(judgePolicy({ is: "sound", policy: OPEN_POLICY }, op.value, root, noon).ok).toBe(true);
    }
  });
});
