/**
 * Several of us keep files in one directory: a `felhom local apply` stands still between writing its staged file and renaming it, and an
 * agent writes beside it, or another `local apply` does, in a container of its own. Each removes what a kill left there, and nothing that
 * somebody who lives is writing.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../../scripts/fleet/real-fleet.ts";
import { makeOpsBox, type OpsBox } from "../../shared/sim/test-ops-box.ts";
import { type TestWorld, testWorld } from "../../shared/sim/test-world.ts";
import { noKills } from "../loopback/kill-points.ts";
import { processTree } from "../loopback/process-tree.ts";
import { RealBox } from "../loopback/real-box.ts";

const POINTS_MAX = 40;
const WAIT_MS = 120_000;
const CONTENT = "kept by local apply\n".repeat(2_000);
const STAGED = /^\.felhom-staged-/;
const OLD_MS = 2 * 3_600_000;
/** With a `/run` of its own, where root's `local apply` has its lock. */
const ALONE = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$@"', "sh"];
/** With process numbers of its own, too. */
const CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", ...ALONE];
const canContain = Bun.which("unshare") !== null && Bun.spawnSync([...CONTAINER, "true"], { stderr: "ignore" }).exitCode === 0;
const whyNot = noKills ?? (canContain ? undefined : "namespaces can't be made here");

const scratch = mkdtempSync(join(tmpdir(), "felhom-shared-"));
const shared = join(scratch, "shared");
let world: TestWorld;
let opsBox: OpsBox;
let agent: RealBox;

beforeAll(async () => {
  world = testWorld({ seed: "shared-directory" });
  mkdirSync(shared);
  opsBox = makeOpsBox(world, join(scratch, "box"), () => Date.now());
  if (whyNot !== undefined) return;
  agent = new RealBox(scratch, "box");
  agent.start();
  await agent.until("it answers", () => true);
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) killTree(child);
    await child.exited;
  }
  for (const name of readdirSync(shared)) rmSync(join(shared, name), { recursive: true });
});
afterAll(async () => {
  await agent?.stop();
  world.remove();
  rmSync(scratch, { recursive: true, force: true });
});

/** A fleet directory of its own that keeps `name` in the shared one. */
function applying(name: string): readonly string[] {
  const fleet = join(scratch, `fleet-${name}`);
  mkdirSync(join(fleet, "states"), { recursive: true });
  mkdirSync(join(fleet, "files"), { recursive: true });
  writeFileSync(join(fleet, "fleet.yaml"), "name: shared\n");
  writeFileSync(join(fleet, "targets.yaml"), '- match: "true"\n  states: [main]\n');
  writeFileSync(join(fleet, "files/conf"), CONTENT);
  writeFileSync(join(fleet, "states/main.yaml"), `${shared}/${name}:\n  file:\n    source: files/conf\n    mode: "0640"\n`);
  return [BINARY, "local", "apply", fleet, "--yes", "--state-file", join(scratch, `${name}.state`), "--facts-dir", join(scratch, "none")];
}

async function until(isSo: () => boolean, what: string): Promise<void> {
  for (const endMs = performance.now() + WAIT_MS; !isSo(); await Bun.sleep(5)) if (performance.now() > endMs) throw new Error(`waited in vain until ${what}`);
}
const children: Bun.Subprocess[] = [];
const staged = (): readonly string[] => readdirSync(shared).filter((name) => STAGED.test(name));

function killTree(child: Bun.Subprocess): void {
  for (const pid of processTree(child.pid).toReversed()) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It went with its tracer.
    }
  }
}

interface Halted {
  readonly file: string;
  goOn(): Promise<number>;
  kill(): Promise<void>;
}

/** A `local apply` that stands still with its whole staged file on disk: the fsync after which it does is found by looking. */
async function halted(name: string): Promise<Halted> {
  const log = join(scratch, `${name}.strace`);
  for (let nth = 1; nth <= POINTS_MAX; nth += 1) {
    rmSync(log, { force: true });
    const wrap = ["strace", "-f", "-qq", "-o", log, "-e", "trace=fsync", "-e", `inject=fsync:signal=STOP:when=${nth}`];
    const child = Bun.spawn([...ALONE, ...wrap, ...applying(name)], { stdout: "ignore", stderr: "ignore" });
    children.push(child);
    const stopped = (): number => Number(/^(\d+) +--- stopped by SIGSTOP ---$/m.exec(existsSync(log) ? readFileSync(log, "utf8") : "")?.[1] ?? "0");
    await until(() => stopped() > 0 || child.exitCode !== null, "it stands still or ends");
    const kill = async (): Promise<void> => {
      killTree(child);
      await child.exited;
    };
    const file = staged().find((one) => statSync(join(shared, one)).size === CONTENT.length);
    if (child.exitCode === null && file !== undefined) {
      return {
        file,
        kill,
        goOn: () => {
          process.kill(stopped(), "SIGCONT");
          return child.exited;
        },
      };
    }
    if (child.exitCode === null) await kill();
  }
  throw new Error("it never stood still with a staged file");
}

/** Another file in the same directory, by an op. */
async function agentWrites(name: string): Promise<void> {
  const op = opsBox.op("file.put", { path: join(shared, name), content: Buffer.from("by the agent").toString("base64"), mode: "0644" });
  const offered: unknown = await (await agent.ask("POST", "/ops", op.bytes)).json();
  expect(offered).toMatchObject({ is: "admitted" });
  let state: unknown;
  for (const endMs = performance.now() + WAIT_MS; state !== "done" && state !== "failed" && performance.now() < endMs; await Bun.sleep(10))
    state = ((await (await agent.ask("GET", `/ops?id=${op.id}`)).json()) as { readonly state: unknown }).state;
  expect([name, state, existsSync(join(shared, name))]).toEqual([name, "done", true]);
}

describe.skipIf(whyNot !== undefined)(whyNot === undefined ? "one directory, several of us" : `one directory, several of us [skipped: ${whyNot}]`, () => {
  test("an agent that writes beside a local apply leaves it what it is writing", async () => {
    const apply = await halted("conf");
    await agentWrites("first");
    await agentWrites("second");
    expect(staged()).toEqual([apply.file]);
    expect(await apply.goOn()).toBe(0);
    expect(readFileSync(join(shared, "conf"), "utf8")).toBe(CONTENT);
    expect(readdirSync(shared).toSorted()).toEqual(["conf", "first", "second"]);
  }, 240_000);

  test("so does a local apply in a container, which cannot see who that is", async () => {
    const apply = await halted("conf");
    const beside = Bun.spawnSync([...CONTAINER, ...applying("beside")], { stdout: "ignore", stderr: "pipe" });
    expect([beside.exitCode, beside.stderr.toString()]).toEqual([0, expect.any(String)]);
    expect(staged()).toEqual([apply.file]);
    expect(await apply.goOn()).toBe(0);
    expect(readdirSync(shared).toSorted()).toEqual(["beside", "conf"]);
  }, 240_000);

  test("what a kill left is removed by the next that writes there; by one in a container once nobody can be writing it", async () => {
    const first = await halted("conf");
    await first.kill();
    expect(staged()).toEqual([first.file]);
    await agentWrites("next");
    expect(readdirSync(shared)).toEqual(["next"]);
    const second = await halted("conf");
    await second.kill();
    const inContainer = (name: string) => Bun.spawnSync([...CONTAINER, ...applying(name)], { stdout: "ignore", stderr: "ignore" }).exitCode;
    expect([inContainer("a"), staged()]).toEqual([0, [second.file]]);
    const old = (Date.now() - OLD_MS) / 1_000;
    utimesSync(join(shared, second.file), old, old);
    expect([inContainer("b"), readdirSync(shared).toSorted()]).toEqual([0, ["a", "b", "next"]]);
  }, 240_000);
});
