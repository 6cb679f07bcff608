/**
 * Told inside the hub's network namespace by tests/faults/nats-partitions.test.ts: hub and workstation here, three agents and nats-server
 * each in their own; links are cut while a job of several ops runs, until every op is over, and healed. Prints what is true
 * afterwards, as JSON.
 */
import { Database } from "bun:sqlite";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Box, RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { freePort } from "../../shared/sim/free-port.ts";
import { startNats } from "../../shared/sim/real-nats.ts";
import { BOXES, boxesHubAndNats, type Cut, HUB_ADDRESS, NATS_ADDRESS } from "./net-spaces.ts";

const [tag = "", dir = ""] = process.argv.slice(2);
const OPS_PER_CUT = 3;
const PROBES_MAX = 20;
const WAYS: readonly (readonly Cut[])[] = [["in", "out"], ["in"], ["out"]];

interface Break {
  readonly link: readonly [string, string];
  readonly ways: readonly Cut[];
}
/** Boxes differ, so that one round shows all three ways. */
const toEach = (other: string): readonly Break[] => BOXES.map((box, at) => ({ link: [box, other], ways: WAYS[at] ?? [] }));
const ROUNDS: readonly (readonly Break[])[] = [toEach("nats"), ...WAYS.map((ways): readonly Break[] => [{ link: ["hub", "nats"], ways }]), toEach("hub")];

const spaces = boxesHubAndNats(tag);
const natsPort = await freePort();
const natsUrl = `tls://${NATS_ADDRESS}:${natsPort}`;
const wrapAgent: string[] = [];
const fleet = new RealFleet({ dir, lightVault: true, hubFlags: ["--address", "0.0.0.0", "--nats-urls", natsUrl], wrapAgent });
const boxes: Box[] = [];
let ops = 0;
let token = "";

const counter = (nth: number): string => join(fleet.dir, `counter-${nth}`);
/** Each run leaves a line that names its agent. */
const runsOf = (nth: number): readonly string[] => (existsSync(counter(nth)) ? readFileSync(counter(nth), "utf8").trim().split("\n") : []);

function runOne(): void {
  ops += 1;
  const script = `echo $PPID >> ${counter(ops)}; sync ${counter(ops)}; sleep 0.3`;
  fleet.operator(["run", "*", "cmd.run", "--yes", "--detach", "--passphrase-file", fleet.passphraseFile, "--", "/bin/sh", "-c", script], [0, 5]);
}

const hub = <T>(sql: string): readonly T[] => {
  const database = new Database(join(fleet.hubDir, "hub.db"), { readonly: true });
  try {
    return database.query<T, []>(sql).all();
  } finally {
    database.close();
  }
};
const allOver = (): Promise<boolean> => Promise.resolve(hub<{ open: number }>("SELECT count(*) AS open FROM op_targets WHERE is_open = 1")[0]?.open === 0);

/** All boxes are, and the hub has heard them. */
async function allAttached(): Promise<void> {
  await fleet.until("the hub reaches all boxes over NATS", async () => {
    const headers = { authorization: `Bearer ${token}` };
    const reply = await fetch(`${fleet.hubUrl}/metrics`, { tls: { rejectUnauthorized: false }, keepalive: false, headers });
    return new RegExp(`^felhom_hub_nats_hosts ${boxes.length}$`, "m").test(await reply.text());
  });
  await fleet.untilBoxes("attached", boxes, ({ nats }) => nats?.is === "attached");
}

/** By which carrier a box's ledger met its ops first. */
function carriersOf({ name }: Box): readonly string[] {
  const lines = readFileSync(join(fleet.dir, `agent-${name}.log`), "utf8").split("\n");
  return lines.flatMap((line): readonly string[] => (line.includes('"op.admitted"') ? [JSON.parse(line).carrier] : []));
}

/** A connection that was cut looks whole for a while after it: it is when an op has come over it to every box. */
async function allCarried(): Promise<void> {
  for (let tries = 0; tries < PROBES_MAX; tries += 1) {
    await allAttached();
    runOne();
    await fleet.until("the probe is over", allOver);
    if (boxes.every((box) => carriersOf(box).at(-1) === "nats")) return;
  }
  throw new Error("NATS carries no op to every box");
}

async function addBox(name: string): Promise<void> {
  wrapAgent.splice(0, wrapAgent.length, ...spaces.inside(name));
  const box = fleet.enroll(name);
  const membership = join(box.dataDir, "identity", "membership.json");
  writeFileSync(membership, readFileSync(membership, "utf8").replaceAll("127.0.0.1", HUB_ADDRESS));
  await fleet.startAgent(box);
  boxes.push(box);
  fleet.operator(["host", "spec", name, "--nats", "--yes"]);
}

const natsDir = join(dir, "nats");
mkdirSync(natsDir);
await fleet.start();
const nats = await startNats({
  dir: natsDir,
  port: natsPort,
  address: NATS_ADDRESS,
  wrap: () => spaces.inside("nats"),
  prepare: ({ storeDir }) => {
    const out = join(natsDir, "made.conf");
    const place = ["--hostname", NATS_ADDRESS, "--listen", `${NATS_ADDRESS}:${natsPort}`, "--store-dir", storeDir, "--disk-gib", "1"];
    fleet.operator(["hub", "nats-config", "--data-dir", fleet.hubDir, ...place, "--out", out]);
    return Promise.resolve(readFileSync(out, "utf8"));
  },
});
try {
  token = fleet.operator(["hub", "token", "create", "--data-dir", fleet.hubDir, "--name", "story", "--role", "viewer"]).stdout.trim();
  for (const name of BOXES) await addBox(name);
  const overMs: Record<string, number> = {};
  for (const round of ROUNDS) {
    await allCarried();
    runOne(); // is under way, or its answer is
    for (const { link, ways } of round) spaces.cut(link, ways);
    const startMs = performance.now();
    for (let nth = 1; nth < OPS_PER_CUT; nth += 1) runOne();
    const what = round.map(({ link, ways }) => `${link.join(" - ")} ${ways.join("+")}`).join(", ");
    await fleet.until(`every op is over with this cut: ${what}`, allOver);
    overMs[what] = Math.round(performance.now() - startMs);
    for (const { link } of round) spaces.heal(link);
  }
  // What went over NATS came by sync as well by then, and was the same.
  await fleet.untilBoxes("nothing left to say", boxes, ({ outbox }) => outbox.rows === 0);
  const states = hub<{ state: string; hosts: number }>("SELECT state, count(*) AS hosts FROM op_targets GROUP BY state");
  const finals = hub<{ answers: number }>("SELECT count(*) AS answers FROM op_returns WHERE state <> 'running' GROUP BY op_id, host_id");
  const met = boxes.flatMap(carriersOf);
  const carriers = Object.fromEntries(["nats", "sync"].map((carrier) => [carrier, met.filter((one) => one === carrier).length]));
  const runs = Array.from({ length: ops }, (_, at) => runsOf(at + 1)).map((lines) => ({ lines: lines.length, boxes: new Set(lines).size }));
  process.stdout.write(`${JSON.stringify({ ops, runs, states, finals: finals.map(({ answers }) => answers), overMs, carriers })}\n`);
} finally {
  await nats.kill();
  await fleet.stop();
}
