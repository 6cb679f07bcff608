/**
 * Partitions between agents, hub and nats-server while jobs run, in network namespaces that this test makes and removes: each of the
 * three links cut both ways and each way alone. Nothing runs twice, every host's one answer arrives, and every op is over while
 * the cut still lasts: what one carrier can't bring, the other does (N, X, C01, O08).
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { natsServer } from "../../shared/sim/real-nats.ts";
import { BOXES, boxesHubAndNats, noSpaces } from "../loopback/net-spaces.ts";

const TIMEOUT_MS = 300_000;
/** Three at the link between hub and NATS; at the boxes' links all three ways at once, one per box. */
const ROUNDS = 5;
const tag = `fh${process.pid.toString(36)}n`;
const spaces = boxesHubAndNats(tag);
const dir = mkdtempSync(join(tmpdir(), "felhom-cut-"));
const reason = noSpaces() ?? (natsServer === null ? "nats-server is not installed" : spaces.make() ? undefined : "no network namespaces here");
afterAll(() => {
  spaces.remove();
  rmSync(dir, { recursive: true, force: true });
});

interface Told {
  readonly ops: number;
  /** Per op: how often it ran, and in how many boxes. */
  readonly runs: readonly { readonly lines: number; readonly boxes: number }[];
  readonly states: readonly { readonly state: string; readonly hosts: number }[];
  readonly finals: readonly number[];
  readonly overMs: Readonly<Record<string, number>>;
  readonly carriers: Readonly<Record<string, number>>;
}

test.skipIf(reason !== undefined)(
  reason === undefined
    ? "with any one link between box, hub and NATS cut, any way, every op of a job ends meanwhile and runs once in each box"
    : `partitions with NATS [skipped: ${reason}]`,
  async () => {
    const story = join(import.meta.dir, "../loopback/nats-partition-story.ts");
    const child = Bun.spawn([...spaces.inside("hub"), process.execPath, story, tag, dir], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    expect([await child.exited, stderr]).toEqual([0, ""]);
    const told: Told = JSON.parse(stdout);
    process.stdout.write(`partitions with NATS: ${JSON.stringify(told)}\n`);
    expect(Object.keys(told.overMs)).toHaveLength(ROUNDS);
    expect(told.runs).toEqual(Array.from({ length: told.ops }, () => ({ lines: BOXES.length, boxes: BOXES.length })));
    expect(told.finals).toEqual(Array.from({ length: told.ops * BOXES.length }, () => 1));
    expect(told.states).toEqual([{ state: "returned", hosts: told.ops * BOXES.length }]);
    // Both have carried something, or this showed nothing.
    expect([(told.carriers["nats"] ?? 0) > 0, (told.carriers["sync"] ?? 0) > 0]).toEqual([true, true]);
  },
  TIMEOUT_MS,
);
