/**
 * A box in a network namespace with nothing in it: what it is to do comes on a stick, what it did goes home on one, and when a network
 * comes after all, nothing happens twice and nothing is counted twice. The compiled binary and real processes.
 */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { noNetwork } from "../../scripts/fleet/no-network.ts";
import { type Box, type CommandResult, RealFleet } from "../../scripts/fleet/real-fleet.ts";

const fleet = new RealFleet({ lightVault: true });
const stick = join(fleet.dir, "stick");
const effect = join(fleet.dir, "effect");
const signing = ["--yes", "--passphrase-file", fleet.passphraseFile];
const ANY = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 75, 124, 130];
const wrap = noNetwork();
const whyNot = wrap === undefined ? " (a network namespace can't be made here)" : "";

const felhom = (...args: readonly string[]): CommandResult => fleet.operator(args, ANY);
const idOf = (ran: CommandResult): string => /o-[a-z2-7]{16}/.exec(ran.stdout)?.[0] ?? "";
const json = (ran: CommandResult) => JSON.parse(ran.stdout);
const effects = (): readonly string[] => (existsSync(effect) ? readFileSync(effect, "utf8").trim().split("\n") : []);
const onBox = (box: Box, ...args: readonly string[]): CommandResult => fleet.felhom([...args, ...fleet.boxFlags(box)], ANY);
const takeIn = (box: Box, file: string): CommandResult => onBox(box, "op", "import", file, "--box", "-o", "json");
const bringHome = (file: string, ...options: readonly string[]): CommandResult => felhom("op", "import", file, "--fleet", ...options);

/** Signed and queued, and nobody waits. */
function sign(...argv: readonly string[]): string {
  const sent = felhom("run", "shed", "cmd.run", "--expires", "6h", "--detach", "-o", "name", ...signing, "--", ...argv);
  expect([sent.code, sent.stderr, idOf(sent).length]).toEqual([0, expect.any(String), 18]);
  return idOf(sent);
}

/** Out on the stick, to the box, and what it says home again. */
function carry(box: Box, id: string): { readonly state: string; readonly receipts: string } {
  const file = join(stick, `${id}.json`);
  const receipts = join(stick, `${id}.jsonl`);
  expect(felhom("op", "export", id, "--out", file).code).toBe(0);
  const [item] = json(takeIn(box, file)).items;
  expect(item.op).toBe(id);
  expect(onBox(box, "op", "receipts", receipts).code).toBe(0);
  return { state: item.state, receipts };
}

/** What the hub has on disk of one op's answers. */
function rowsOf(id: string): readonly { readonly part: number; readonly state: string; readonly verified: number }[] {
  using database = new Database(join(fleet.hubDir, "hub.db"), { readonly: true });
  return database.query<{ part: number; state: string; verified: number }, [string]>("SELECT part, state, verified FROM op_returns WHERE op_id = ?").all(id);
}

describe.skipIf(wrap === undefined)(`a box that no network reaches${whyNot}`, () => {
  let box: Box;

  beforeAll(async () => {
    mkdirSync(stick);
    await fleet.start();
    box = fleet.enroll("shed");
    await fleet.startAgent(box, wrap);
  }, 240_000);
  afterAll(() => fleet.stop());

  test("an op goes out on a stick and runs once; its answer comes home on one, and the hub shows it returned", () => {
    // It has nothing but the loopback device, and that is down.
    const devices = readFileSync(`/proc/${fleet.pid("agent-shed")}/net/dev`, "utf8")
      .trim()
      .split("\n")
      .slice(2);
    expect(devices.map((line) => line.split(":")[0]?.trim())).toEqual(["lo"]);
    const id = sign("sh", "-c", `echo ran >> ${effect}; echo from the shed`);
    expect(json(felhom("job", "show", id, "-o", "json")).state).toBe("signed");
    const { state, receipts } = carry(box, id);
    expect([state, effects()]).toEqual(["done", ["ran"]]);
    // The same file again meets the ledger.
    takeIn(box, join(stick, `${id}.json`));
    expect(effects()).toEqual(["ran"]);
    const home = bringHome(receipts);
    expect([home.code, home.stdout]).toEqual([0, expect.stringContaining("handed to the hub")]);
    expect(json(felhom("job", "show", id, "-o", "json"))).toMatchObject({ state: "done", counts: { returned: 1 } });
    const results = felhom("job", "results", id);
    expect([results.code, results.stdout]).toEqual([0, expect.stringContaining("from the shed")]);
    const audit = json(felhom("audit", "-o", "json")).items.find((item: { action: string }) => item.action === "return.upload");
    expect(audit).toMatchObject({ target: `op ${id}`, outcome: "done" });
    const again = bringHome(receipts, "-o", "json");
    expect([again.code, json(again).taken, json(again).refused]).toEqual([0, 0, []]);
    expect(json(again).known).toBeGreaterThan(0);
  }, 240_000);

  test("what failed there has failed here; what was altered on the way is refused", () => {
    const id = sign("sh", "-c", "echo no >&2; exit 3");
    const { state, receipts } = carry(box, id);
    expect(state).toBe("failed");
    const altered = join(stick, "altered.jsonl");
    const records = readFileSync(receipts, "utf8");
    Bun.spawnSync(["sed", 's/"sig":"..../"sig":"AAAA/', receipts], { stdout: Bun.file(altered) });
    const bad = bringHome(altered, "-o", "json");
    expect([bad.code, json(bad).taken, json(bad).unverified]).toEqual([7, 0, records.trim().split("\n").length]);
    expect(rowsOf(id)).toEqual([]);
    expect(bringHome(receipts).code).toBe(4);
    expect(json(felhom("job", "show", id, "-o", "json"))).toMatchObject({ state: "failed", counts: { failed: 1 } });
  }, 240_000);

  test("a hub restored from before the op was signed: the answers wait for the op, and count when its file is brought", async () => {
    const backup = join(fleet.dir, "hub.tar");
    fleet.felhom(["hub", "backup", backup, "--data-dir", fleet.hubDir]);
    const id = sign("sh", "-c", `echo again >> ${effect}`);
    const { receipts } = carry(box, id);
    await fleet.kill("hub", "SIGKILL");
    rmSync(fleet.hubDir, { recursive: true });
    fleet.felhom(["hub", "restore", backup, "--data-dir", fleet.hubDir]);
    await fleet.startHub();
    expect(felhom("login", "--passphrase-file", fleet.passphraseFile).code).toBe(0);
    const home = bringHome(receipts, "-o", "json");
    expect([home.code, json(home).opsMissing]).toEqual([4, [id]]);
    expect(bringHome(join(stick, `${id}.json`)).code).toBe(0);
    expect(json(felhom("job", "show", id, "-o", "json"))).toMatchObject({ state: "done", counts: { returned: 1 } });
    expect(effects()).toEqual(["ran", "again"]);
  }, 240_000);

  test("a network comes after all: the box tells the same, and nothing is doubled", async () => {
    const before = json(felhom("job", "list", "-o", "json")).items.map(({ id }: { id: string }) => [id, rowsOf(id)]);
    expect(before).toHaveLength(3);
    await fleet.kill("agent-shed", "SIGTERM");
    await fleet.startAgent(box);
    const file = join(stick, "left.jsonl");
    await fleet.until("the hub has all that the box had to say", () => {
      onBox(box, "op", "receipts", file);
      return Promise.resolve(readFileSync(file, "utf8") === "");
    });
    expect(felhom("run", "shed", "ping").code).toBe(0);
    for (const [id, rows] of before) expect([id, rowsOf(id)]).toEqual([id, rows]);
    expect(effects()).toEqual(["ran", "again"]);
    await fleet.until("the hub's copy of the box's log has caught up", () => Promise.resolve(felhom("audit", "verify", "shed").code === 0));
  }, 240_000);
});
