/**
 * Told inside the hub's network namespace by tests/faults/partitions.test.ts: hub and workstation here, the agent in the namespace that is
 * named on the command line, its link cut and healed while a job of several ops runs. Prints what is true afterwards, as JSON.
 */
import { Database } from "bun:sqlite";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RealFleet } from "../../scripts/fleet/real-fleet.ts";

const [boxSpace = "", hubAddress = ""] = process.argv.slice(2);
const OPS_PER_CUT = 3;
const CUT_MS = 1_500;
const CUTS: Readonly<Record<string, readonly string[]>> = {
  "cut both ways": ["input", "output"],
  "hears and cannot speak": ["output"],
  "speaks and cannot hear": ["input"],
};

const fleet = new RealFleet({ hubFlags: ["--address", "0.0.0.0"], wrapAgent: ["ip", "netns", "exec", boxSpace] });
let ops = 0;

function nft(rules: string): void {
  const done = Bun.spawnSync(["ip", "netns", "exec", boxSpace, "nft", "-f", "-"], { stdin: Buffer.from(rules), stderr: "pipe" });
  if (done.exitCode !== 0) throw new Error(`nft: ${done.stderr.toString()}`);
}
const cut = (hooks: readonly string[]): void =>
  nft(`table inet cut {\n${hooks.map((hook) => `chain ${hook} {\ntype filter hook ${hook} priority 0; policy drop;\n}`).join("\n")}\n}\n`);
const heal = (): void => nft("delete table inet cut\n");

const counter = (nth: number): string => join(fleet.dir, `counter-${nth}`);
const counted = (nth: number): number => (existsSync(counter(nth)) ? readFileSync(counter(nth), "utf8").split("\n").length - 1 : 0);

function runOne(): void {
  ops += 1;
  const script = `echo x >> ${counter(ops)}; sync ${counter(ops)}; sleep 0.5`;
  fleet.operator(["run", "box-1", "cmd.run", "--yes", "--detach", "--passphrase-file", fleet.passphraseFile, "--", "/bin/sh", "-c", script], [0, 5]);
}

const hub = <T>(sql: string): readonly T[] => {
  const database = new Database(join(fleet.hubDir, "hub.db"), { readonly: true });
  try {
    return database.query<T, []>(sql).all();
  } finally {
    database.close();
  }
};
const open = (): number => hub<{ open: number }>("SELECT count(*) AS open FROM op_targets WHERE is_open = 1")[0]?.open ?? 0;

try {
  await fleet.start();
  const box = fleet.enroll("box-1");
  const membership = join(box.dataDir, "identity", "membership.json");
  writeFileSync(membership, readFileSync(membership, "utf8").replaceAll("127.0.0.1", hubAddress));
  await fleet.startAgent(box);
  runOne();
  await fleet.until("the first op is over", () => Promise.resolve(open() === 0));
  const healedMs: Record<string, number> = {};
  for (const [name, hooks] of Object.entries(CUTS)) {
    runOne(); // is under way, or its answer is
    cut(hooks);
    for (let nth = 1; nth < OPS_PER_CUT; nth += 1) runOne();
    await Bun.sleep(CUT_MS);
    heal();
    const startMs = performance.now();
    await fleet.until(`every op is over after: ${name}`, () => Promise.resolve(open() === 0));
    healedMs[name] = Math.round(performance.now() - startMs);
  }
  const states = hub<{ state: string; ops: number }>("SELECT state, count(*) AS ops FROM op_targets GROUP BY state");
  const finals = hub<{ answers: number }>("SELECT count(*) AS answers FROM op_returns WHERE state <> 'running' GROUP BY op_id, host_id");
  const counts = Array.from({ length: ops }, (_, at) => counted(at + 1));
  process.stdout.write(`${JSON.stringify({ ops, counts, states, finals: finals.map(({ answers }) => answers), healedMs })}\n`);
} finally {
  await fleet.stop();
}
