import { expect, test } from "bun:test";
import type { Call, Run } from "../../shared/cli/command.ts";
import { isFault } from "../../shared/core/fault.ts";
import { fakeCall, fakeTerminal, type FakeTerminal } from "../../shared/sim/fake-terminal.ts";
import { admitted } from "../../shared/sim/test-enrollment.ts";
import { type TestHub, testHub } from "../../shared/sim/test-hub.ts";
import { testWorld } from "../../shared/sim/test-world.ts";
import { commands } from "../table/hub.ts";

async function runOf(...path: readonly string[]): Promise<Run> {
  const command = commands.find((known) => known.path.join(" ") === ["hub", ...path].join(" "));
  if (command === undefined) throw new Error(`no command ${path.join(" ")}`);
  return (await command.load()).run;
}

interface Ran {
  readonly exit: number;
  readonly out: string;
  readonly err: string;
}

async function ran(path: readonly string[], parts: Omit<Parameters<typeof fakeCall>[0], "terminal">): Promise<Ran> {
  const terminal: FakeTerminal = fakeTerminal();
  const call: Call = fakeCall({ ...parts, terminal });
  const exit = await (await runOf(...path))(call);
  return { exit, out: terminal.stdout(), err: terminal.stderr() };
}

const whyOf = (doing: Promise<unknown>): Promise<string> =>
  doing.then(
    () => "done",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
const at = (hub: TestHub, options: Call["options"] = {}): Call["options"] => ({ "data-dir": hub.world.dir, ...options });
const json = { output: "json" } as const;

test("the first token is made on the data directory, beside a running hub, and works at once", async () => {
  using hub = await testHub();
  await hub.setUp();
  const made = await ran(["token", "create"], { world: hub.world, options: at(hub, { name: "ci", role: "viewer", expires: "1h" }) });
  const token = made.out.trim();
  expect([made.exit, token.startsWith("fot_"), made.err.includes("only time")]).toEqual([0, true, true]);
  expect((await hub.ask("GET", "/api/v1/hosts", { token })).status).toBe(200);
  const listed = JSON.parse((await ran(["token", "list"], { world: hub.world, options: at(hub), globals: json })).out);
  expect(listed).toMatchObject({ kind: "ApiTokenList", items: [{ name: "ci", role: "viewer" }] });
  expect(JSON.stringify(listed)).not.toContain(token);
  expect(await whyOf(ran(["token", "revoke"], { world: hub.world, options: at(hub), args: { token: listed.items[0].id } }))).toContain(
    "Cannot ask for a confirmation",
  );
  expect((await ran(["token", "revoke"], { world: hub.world, options: at(hub), args: { token: listed.items[0].id }, globals: { yes: true } })).exit).toBe(0);
  expect((await hub.ask("GET", "/api/v1/hosts", { token })).status).toBe(401);
  const admin = await hub.logIn();
  const audit = (await hub.ask("GET", "/api/v1/audit", { token: admin })).json.items;
  expect(audit.filter((row: { actor: string }) => row.actor === "local").map((row: { action: string }) => row.action)).toEqual([
    "token.revoke",
    "token.create",
  ]);
});

test("a token goes to a file of its own when that is asked for, and nowhere else", async () => {
  using hub = await testHub();
  const out = `${hub.world.dir}/ci.token`;
  const made = await ran(["token", "create"], { world: hub.world, options: at(hub, { name: "ci", role: "admin", out }) });
  const token = (await Bun.file(out).text()).trim();
  expect(token.startsWith("fot_")).toBe(true);
  expect(made.out + made.err).not.toContain(token);
  expect(hub.world.files.stat("test", out)?.mode).toBe(0o600);
  expect(await whyOf(ran(["token", "create"], { world: hub.world, options: at(hub, { name: "ci", role: "admin", out }) }))).toContain(
    "something is there already",
  );
  for (const options of [
    { name: "CI", role: "admin" },
    { name: "ci", role: "root" },
    { name: "ci", role: "admin", expires: "soon" },
  ])
    expect(await whyOf(ran(["token", "create"], { world: hub.world, options: at(hub, options) }))).toContain("Cannot");
  expect(JSON.parse((await ran(["token", "list"], { world: hub.world, options: at(hub), globals: json })).out).items).toHaveLength(1);
});

test("backup and restore say what there is, and a dry run leaves nothing", async () => {
  using hub = await testHub();
  await admitted(hub, await hub.logIn(), "web");
  using out = testWorld();
  const to = `${out.dir}/b.tar`;
  expect((await ran(["backup"], { world: hub.world, options: at(hub), args: { to }, globals: { dryRun: true } })).exit).toBe(0);
  expect(out.files.list("test", out.dir)).toEqual([]);
  const made = JSON.parse((await ran(["backup"], { world: hub.world, options: at(hub), args: { to: "b.tar" }, cwd: out.dir, globals: json })).out);
  expect(made).toMatchObject({ kind: "HubBackup", to, fleet: "test", hosts: 1, verified: true });
  const dataDir = `${out.dir}/data`;
  const tried = await ran(["restore"], { world: hub.world, options: { "data-dir": dataDir }, args: { from: to }, globals: { dryRun: true } });
  expect([tried.exit, tried.out.includes("would restore"), out.files.list("test", out.dir)]).toEqual([0, true, ["b.tar"]]);
  const restored = JSON.parse((await ran(["restore"], { world: hub.world, options: { "data-dir": dataDir }, args: { from: to }, globals: json })).out);
  expect(restored).toMatchObject({ kind: "HubRestore", hosts: 1, epochBefore: 1, epoch: Math.floor(hub.world.clock.wallMs() / 1_000) });
  const status = JSON.parse((await ran(["status"], { world: hub.world, options: { "data-dir": dataDir }, globals: json })).out);
  expect(status).toMatchObject({
    kind: "HubDirectory",
    running: false,
    check: "ok",
    auditWhole: true,
    fleet: "test",
    hosts: 1,
    hubEpoch: restored.epoch,
    lastBackupAt: made.createdAt,
  });
});

test("status sees a running hub by its lock, and a broken audit log by its chain", async () => {
  using hub = await testHub();
  await hub.logIn();
  const lock = hub.world.files.lock("test", `${hub.world.dir}/lock`);
  const status = async () => ran(["status"], { world: hub.world, options: at(hub), globals: json });
  expect(JSON.parse((await status()).out).running).toBe(true);
  lock.release();
  await hub.hub.store.write("test.tamper", (tx) => tx.db.run("test", "UPDATE audit SET actor = 'x' WHERE seq = 1"));
  const broken = await status();
  expect([broken.exit, JSON.parse(broken.out)]).toMatchObject([1, { running: false, auditWhole: false, auditHead: null }]);
});

test("where there is no hub, every command says so and makes nothing", async () => {
  using out = testWorld();
  for (const path of [["backup"], ["status"], ["token", "list"], ["token", "create"], ["token", "revoke"]]) {
    const code = await ran(path, {
      world: out,
      options: { "data-dir": `${out.dir}/nothing`, name: "x", role: "viewer" },
      args: { to: `${out.dir}/b`, token: "t-x" },
      globals: { yes: true },
    }).then(
      () => "done",
      (error: unknown) => (isFault(error) ? error.code : String(error)),
    );
    expect([path, code]).toEqual([path, "file_missing"]);
  }
  expect(out.files.list("test", out.dir)).toEqual([]);
});
