/**
 * Partitions between an agent and its hub while a job runs, in two network namespaces that this test makes and removes: cut both ways, and
 * each way alone. Nothing runs twice, every op ends, and each host's one answer arrives (N, J01, O08).
 */
import { afterAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BINARY } from "../../scripts/fleet/real-fleet.ts";

const TIMEOUT_MS = 180_000;
const tag = `fh${process.pid.toString(36)}`;
const [hubSpace, boxSpace] = [`${tag}-hub`, `${tag}-box`];
const [HUB, BOX] = ["10.77.31.1", "10.77.31.2"];

const sh = (...argv: readonly string[]): boolean => Bun.spawnSync([...argv], { stdout: "ignore", stderr: "ignore" }).exitCode === 0;
const has = (program: string): boolean => Bun.which(program) !== null;

function obstacle(): string | undefined {
  if (process.getuid?.() !== 0) return "it takes root to make network namespaces";
  if (!existsSync(BINARY)) return "dist/felhom is not built";
  if (!has("ip") || !has("nft")) sh("apt-get", "install", "-y", "--no-install-recommends", "iproute2", "nftables");
  if (!has("ip") || !has("nft")) return "iproute2 or nftables is not installed and cannot be";
  if (!makeSpaces()) return "no network namespaces here";
  return undefined;
}

function makeSpaces(): boolean {
  const wires = [`${tag}h`, `${tag}b`] as const;
  return (
    sh("ip", "netns", "add", hubSpace) &&
    sh("ip", "netns", "add", boxSpace) &&
    sh("ip", "link", "add", wires[0], "netns", hubSpace, "type", "veth", "peer", "name", wires[1], "netns", boxSpace) &&
    (
      [
        [hubSpace, wires[0], HUB],
        [boxSpace, wires[1], BOX],
      ] as const
    ).every(
      ([space, wire, address]) =>
        sh("ip", "-n", space, "address", "add", `${address}/30`, "dev", wire) &&
        sh("ip", "-n", space, "link", "set", wire, "up") &&
        sh("ip", "-n", space, "link", "set", "lo", "up"),
    ) &&
    sh("ip", "netns", "exec", boxSpace, "nft", "list", "ruleset")
  );
}

const reason = obstacle();
afterAll(() => {
  for (const space of [hubSpace, boxSpace]) sh("ip", "netns", "delete", space);
});

test.skipIf(reason !== undefined)(
  reason === undefined ? "cut both ways and each way alone, no op of a job runs twice and every one ends" : `partitions [skipped: ${reason}]`,
  async () => {
    const story = join(import.meta.dir, "../loopback/partition-story.ts");
    const child = Bun.spawn(["ip", "netns", "exec", hubSpace, process.execPath, story, boxSpace, HUB], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
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
