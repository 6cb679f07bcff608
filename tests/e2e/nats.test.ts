/**
 * NATS with the compiled binary, real processes and a real nats-server: what is attached, what goes which way, and that losing all of it
 * loses nothing. The counter is a file that each run of an op appends to: whatever the carriers did, it grows by one per op.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { AgentStatus } from "../../agent/core/status/agent-status.ts";
import { type Box, type CommandResult, RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { freePort } from "../../shared/sim/free-port.ts";
import { natsServer, type RealNats, startNats, whyNoNats } from "../../shared/sim/real-nats.ts";

const hubFlags: string[] = [];
const fleet = new RealFleet({ hubFlags, lightVault: true });
const signing = ["--yes", "--passphrase-file", fleet.passphraseFile];
const boxes: Box[] = [];
let nats: RealNats;
let token = "";

const ANY = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 75, 124, 130];
const felhom = (...args: readonly string[]): CommandResult => fleet.operator(args, ANY);
const counterOf = (name: string): string => join(fleet.dir, `count-${name}`);
const counted = (name: string): number => (existsSync(counterOf(name)) ? readFileSync(counterOf(name), "utf8").trim().split("\n").length : 0);
const append = (target: string, name: string): CommandResult =>
  felhom("run", target, "cmd.run", ...signing, "-o", "jsonl", "--", "sh", "-c", `echo x >> ${counterOf(name)}`);
const summary = (ran: CommandResult): unknown => JSON.parse(ran.stdout.trim().split("\n").at(-1) ?? "{}");

/** By which carrier a box's ledger met each op, in order. */
function carriers(box: Box): readonly string[] {
  const log = readFileSync(join(fleet.dir, `agent-${box.name}.log`), "utf8");
  return log.split("\n").flatMap((line) => (line.includes('"op.admitted"') ? [String(JSON.parse(line).carrier)] : []));
}

const isAttached = ({ nats: status }: AgentStatus): boolean => status?.is === "attached";
const allAttached = (): Promise<void> => fleet.untilBoxes("attached", boxes, isAttached);
/** Server up, specs naming NATS, everybody attached and heard: each test begins here, whatever the one before left. */
async function ready(): Promise<void> {
  if (!nats.isUp) await nats.start();
  if (!fleet.isRunning("hub")) await fleet.startHub();
  for (const box of boxes) if ((await fleet.boxStatus(box))?.nats === undefined) fleet.operator(["host", "spec", box.name, "--nats", "--yes"]);
  await allAttached();
  await hubHears(boxes.length);
}
/** The hub has heard them: before that it sends by sync. */
async function hubHears(count: number): Promise<void> {
  await fleet.until(`the hub reaches ${count} boxes over NATS`, async () => {
    const reply = await fetch(`${fleet.hubUrl}/metrics`, {
      tls: { rejectUnauthorized: false },
      keepalive: false,
      headers: { authorization: `Bearer ${token}` },
    });
    return new RegExp(`^felhom_hub_nats_hosts ${count}$`, "m").test(await reply.text());
  });
}

describe.skipIf(natsServer === null)(`a fleet on NATS ${whyNoNats}`, () => {
  beforeAll(async () => {
    const port = await freePort();
    hubFlags.push("--nats-urls", `nats://127.0.0.1:${port}`);
    await fleet.start();
    token = fleet.operator(["hub", "token", "create", "--data-dir", fleet.hubDir, "--name", "test", "--role", "viewer"]).stdout.trim();
    for (const name of ["box-1", "box-2"]) boxes.push(await fleet.addBox(name));
    const dir = join(fleet.dir, "nats");
    mkdirSync(dir);
    nats = await startNats({
      dir,
      port,
      prepare: async ({ storeDir }) => {
        const out = join(dir, "made.conf");
        const args = ["--data-dir", fleet.hubDir, "--plain", "--listen", `127.0.0.1:${port}`, "--store-dir", storeDir, "--disk-gib", "1", "--out", out];
        fleet.operator(["hub", "nats-config", ...args]);
        return readFileSync(out, "utf8");
      },
    });
  }, 240_000);
  afterAll(async () => {
    await nats.kill();
    await fleet.stop();
  });

  test("a box is attached when its spec says so, and not before", async () => {
    const box = await fleet.addBox("box-3");
    expect((await fleet.boxStatus(box))?.nats).toBeUndefined();
    fleet.operator(["host", "spec", "box-3", "--nats", "--yes"]);
    await fleet.untilBoxes("attached", [box], isAttached);
    await fleet.kill("agent-box-3", "SIGTERM");
    fleet.operator(["host", "revoke", "box-3", "--yes", "--confirm", "box-3", "--reason", "test"]);
  }, 240_000);

  test("an op for all and an op for one come over NATS, run once, and are answered; what the sync brings later is the same op", async () => {
    await ready();
    const before = boxes.map((box) => carriers(box).length);
    expect(summary(append("*", "a"))).toMatchObject({ ok: 2 });
    expect(summary(append("box-1", "a"))).toMatchObject({ ok: 1 });
    const seen = (): readonly (readonly string[])[] => boxes.map((box, at) => carriers(box).slice(before[at]));
    expect([counted("a"), seen()]).toEqual([3, [["nats", "nats"], ["nats"]]]);
    await fleet.untilBoxes("nothing left to say", boxes, ({ outbox }) => outbox.rows === 0);
    expect([counted("a"), seen()]).toEqual([3, [["nats", "nats"], ["nats"]]]);
  }, 240_000);

  test("hub status shows the stream, its consumer and its one copy", async () => {
    await ready();
    const shown = felhom("hub", "status", "--data-dir", fleet.hubDir, "--nats-urls", nats.url);
    expect(shown.stdout + shown.stderr).toContain("returns");
    expect(shown.code).toBe(0);
  });

  test("with NATS killed, ops go by sync", async () => {
    await ready();
    await nats.kill();
    const before = boxes.map((box) => carriers(box).length);
    expect(summary(append("*", "b"))).toMatchObject({ ok: 2 });
    expect(counted("b")).toBe(2);
    expect(boxes.map((box) => carriers(box).length)).toEqual(before.map((count) => count + 1));
    expect(boxes.map((box) => carriers(box).at(-1))).toEqual(["sync", "sync"]);
  }, 240_000);

  test("every stream lost: the hub makes them again, nothing is lost and nothing doubled (C02)", async () => {
    await ready();
    await nats.kill();
    nats.loseStore();
    await nats.start();
    await allAttached();
    await hubHears(2);
    expect(summary(append("*", "c"))).toMatchObject({ ok: 2 });
    expect(counted("c")).toBe(2);
    expect(boxes.map((box) => carriers(box).at(-1))).toEqual(["nats", "nats"]);
  }, 240_000);

  test("with the server frozen in the middle of a job, every op runs once all the same", async () => {
    await ready();
    for (let round = 0; round < 5; round += 1) {
      nats.freeze();
      expect(summary(append("*", "d"))).toMatchObject({ ok: 2 });
      nats.thaw();
    }
    expect(counted("d")).toBe(10);
  }, 240_000);

  test("a hub that was killed finds its way back to NATS", async () => {
    await ready();
    await fleet.kill("hub", "SIGKILL");
    await fleet.startHub();
    await hubHears(2);
    expect(summary(append("*", "e"))).toMatchObject({ ok: 2 });
    expect(counted("e")).toBe(2);
    expect(boxes.map((box) => carriers(box).at(-1))).toEqual(["nats", "nats"]);
  }, 240_000);

  test("a spec without NATS detaches the box", async () => {
    await ready();
    for (const { name } of boxes) expect(felhom("host", "spec", name, "--no-nats", "--yes").code).toBe(0);
    await fleet.untilBoxes("not attached", boxes, (status) => !isAttached(status));
    expect(summary(append("*", "f"))).toMatchObject({ ok: 2 });
    expect(boxes.map((box) => carriers(box).at(-1))).toEqual(["sync", "sync"]);
  }, 240_000);
});
