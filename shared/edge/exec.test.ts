import { expect, test } from "bun:test";
import { fromUtf8 } from "../core/bytes.ts";
import { execContract } from "../sim/contracts/exec-contract.ts";
import { realExec } from "./exec.ts";

execContract("real", realExec);

const COMMON = { env: { PATH: "/usr/bin:/bin" }, timeoutMs: 20_000, outputBytesMax: 10_000 } as const;
const isRoot = process.getuid?.() === 0;

test.if(isRoot)("another user runs without supplementary groups", async () => {
  const finished = await realExec.run("test", { ...COMMON, argv: ["/usr/bin/id"], user: { uid: 65534, gid: 65534 } });
  expect(fromUtf8(finished.stdout)).toMatch(/^uid=65534(\(\w+\))? gid=65534(\(\w+\))? groups=65534(\(\w+\))?\n$/);
});

test("a CPU limit ends a busy child", async () => {
  const finished = await realExec.run("test", { ...COMMON, argv: ["/bin/sh", "-c", "while :; do :; done"], limits: { cpuSeconds: 1 } });
  expect(finished.signal === "SIGKILL" || finished.signal === "SIGXCPU").toBe(true);
  expect(finished.timedOut).toBe(false);
});

test("a data limit reaches the child", async () => {
  const finished = await realExec.run("test", { ...COMMON, argv: ["/bin/sh", "-c", "ulimit -d"], limits: { dataBytes: 64 * 1024 * 1024 } });
  expect(fromUtf8(finished.stdout)).toBe("65536\n");
});
