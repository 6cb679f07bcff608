/**
 * Partitions between an agent and its hub while a job runs, in two network namespaces that this test makes and removes: cut both ways, and
 * each way alone. Nothing runs twice, every op ends, and each host's one answer arrives (N, J01, O08).
 */
import { afterAll, expect, test } from "bun:test";
import { join } from "node:path";
import { boxAndHub, noSpaces } from "../loopback/net-spaces.ts";

const TIMEOUT_MS = 180_000;
const tag = `fh${process.pid.toString(36)}p`;
const spaces = boxAndHub(tag);
const reason = noSpaces() ?? (spaces.make() ? undefined : "no network namespaces here");
afterAll(() => spaces.remove());

test.skipIf(reason !== undefined)(
  reason === undefined ? "cut both ways and each way alone, no op of a job runs twice and every one ends" : `partitions [skipped: ${reason}]`,
  async () => {
    const story = join(import.meta.dir, "../loopback/partition-story.ts");
    const child = Bun.spawn([...spaces.inside("hub"), process.execPath, story, tag], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect([await child.exited, stderr]).toEqual([0, ""]);
    const told = JSON.parse(stdout) as {
      ops: number;
      counts: number[];
      states: { state: string; ops: number }[];
      finals: number[];
      healedMs: Record<string, number>;
    };
    process.stdout.write(`partitions: ${JSON.stringify(told)}\n`);
    expect(told.counts).toEqual(Array.from({ length: told.ops }, () => 1));
    expect(told.finals).toEqual(Array.from({ length: told.ops }, () => 1));
    expect(told.states).toEqual([{ state: "returned", ops: told.ops }]);
  },
  TIMEOUT_MS,
);
