/**
 * Told inside the hub's network namespace by tests/faults/partitions.test.ts: hub and workstation here, the agent in the box's namespace,
 * its link cut and healed while a job of several ops runs. Prints what is true afterwards, as JSON.
 */
import { Database } from "bun:sqlite";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { boxAndHub, type Cut, HUB_ADDRESS } from "./net-spaces.ts";

const [tag = ""] = process.argv.slice(2);
const LINK = ["box", "hub"] as const;
const OPS_PER_CUT = 3;
const CUT_MS = 1_500;
const CUTS: Readonly<Record<string, readonly Cut[]>> = {
  "cut both ways": ["in", "out"],
  "hears and cannot speak": ["out"],
  "speaks and cannot hear": ["in"],
};

const spaces = boxAndHub(tag);
const fleet = new RealFleet({ lightVault: true, hubFlags: ["--address", "0.0.0.0"], wrapAgent: spaces.inside("box") });
let ops = 0;

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
  writeFileSync(membership, readFileSync(membership, "utf8").replaceAll("127.0.0.1", HUB_ADDRESS));
  await fleet.startAgent(box);
  runOne();
  await fleet.until("the first op is over", () => Promise.resolve(open() === 0));
  const healedMs: Record<string, number> = {};
  for (const [name, ways] of Object.entries(CUTS)) {
    runOne(); // is under way, or its answer is
    spaces.cut(LINK, ways);
    for (let nth = 1; nth < OPS_PER_CUT; nth += 1) runOne();
    await Bun.sleep(CUT_MS);
    spaces.heal(LINK);
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
