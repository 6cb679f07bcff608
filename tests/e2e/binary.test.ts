/**
 * The compiled binary as a process: which role it is, what it reads of the directory it is started in (nothing), how it stops, who may
 * share a data directory, who it may run as, and what ready means. And that the same sources give the same bytes.
 */
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { BINARY, projectRoot } from "../../scripts/fleet/real-fleet.ts";
import { freePort } from "../../shared/sim/free-port.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { LoopbackHub } from "../loopback/loopback-hub.ts";
import { ENV, RealBox, runBinary, startHub } from "../loopback/real-box.ts";

const BUN = process.execPath;
const STOP_MS = 10_000;
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

let dir: string;
const running: Bun.Subprocess[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "felhom-binary-"));
  chmodSync(dir, 0o755);
});
afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill("SIGKILL");
    await child.exited;
  }
  rmSync(dir, { recursive: true, force: true });
});

function start(argv: readonly string[], cwd = "/", env: Readonly<Record<string, string>> = ENV): Bun.Subprocess<"ignore", "ignore", "pipe"> {
  const child = Bun.spawn([...argv], { stdin: "ignore", stdout: "ignore", stderr: "pipe", cwd, env });
  running.push(child);
  return child;
}

/** Reads the log until a line has `wanted` in it; the rest is read and dropped. */
async function logged(child: Bun.Subprocess<"ignore", "ignore", "pipe">, wanted: string): Promise<string> {
  const reader = child.stderr.getReader();
  for (let text = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`${wanted} never came: ${text}`);
    text += new TextDecoder().decode(value);
    if (!text.includes(wanted)) continue;
    void (async () => {
      while (!(await reader.read()).done);
    })();
    return text;
  }
}

async function endsWell(child: Bun.Subprocess): Promise<void> {
  const startedMs = performance.now();
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(STOP_MS);
}

const agentArgs = (name: string): readonly string[] => ["agent", "--data-dir", join(dir, name), "--log-format", "json"];
const hubArgs = (name: string): readonly string[] => [
  "hub",
  "--data-dir",
  join(dir, name),
  "--address",
  "127.0.0.1",
  "--port",
  "0",
  "--tls",
  "none",
  "--log-format",
  "json",
];

describe("a hostile working directory", () => {
  const marker = (): string => join(dir, "marker");
  function trap(): string {
    const path = join(dir, "trap");
    mkdirSync(join(path, "node_modules", "hono"), { recursive: true });
    const write = `require("node:fs").writeFileSync(${JSON.stringify(marker())}, "ran");`;
    writeFileSync(join(path, "evil.js"), write);
    writeFileSync(join(path, "node_modules", "hono", "index.js"), write);
    writeFileSync(join(path, "bunfig.toml"), 'preload = ["./evil.js"]\n[run]\npreload = ["./evil.js"]\n[test]\npreload = ["./evil.js"]\n');
    writeFileSync(
      join(path, ".env"),
      `FELHOM_DATA_DIR=${dir}/from-env\nFELHOM_LOG_LEVEL=nonsense\nFELHOM_HOME=${dir}/from-env\nBUN_OPTIONS=--preload=./evil.js\n`,
    );
    for (const name of [".env.local", ".env.production", ".env.development"]) copyFileSync(join(path, ".env"), join(path, name));
    writeFileSync(join(path, "package.json"), '{"imports":{"#x":"./evil.js"},"type":"commonjs"}');
    writeFileSync(join(path, "tsconfig.json"), '{"compilerOptions":{"paths":{"zod/mini":["./evil.js"]},"baseUrl":"."}}');
    return path;
  }
  const unsprung = (): void => expect([existsSync(marker()), existsSync(join(dir, "from-env"))]).toEqual([false, false]);

  test("the trap works: Bun itself walks into it", () => {
    const cwd = trap();
    writeFileSync(join(cwd, "main.js"), "console.log(process.env.FELHOM_LOG_LEVEL)");
    const ran = Bun.spawnSync([BUN, "main.js"], { cwd, env: ENV });
    expect([existsSync(marker()), ran.stdout.toString()]).toEqual([true, "nonsense\n"]);
  });

  test("has no effect on a command, a render child or a worker", async () => {
    const cwd = trap();
    expect((await runBinary(["version"], { cwd })).code).toBe(0);
    expect(JSON.parse((await runBinary(["config", "print", "agent", "-o", "json"], { cwd })).stdout || "{}")).not.toHaveProperty("nonsense");
    expect((await runBinary(["config", "print", "agent"], { cwd })).stdout).not.toContain("from-env");
    const rendered = await runBinary(["render"], { cwd, stdin: "not a request" });
    expect(rendered.stdout + rendered.stderr).not.toContain("evil");
    const worker = await runBinary(["agent-worker"], { cwd, stdin: "not a request" });
    expect(JSON.parse(worker.stdout)).toMatchObject({ op: "failed", code: "bad_request" });
    unsprung();
  });

  test("has no effect on an agent or a hub", async () => {
    const cwd = trap();
    const agent = start([BINARY, ...agentArgs("box")], cwd);
    await logged(agent, '"service":"socket"');
    const hub = start([BINARY, ...hubArgs("hub")], cwd);
    await logged(hub, '"hub.listening"');
    unsprung();
    await endsWell(agent);
    await endsWell(hub);
    unsprung();
  });
});

describe("a role", () => {
  test("is the first word, or --mode, and felhom-sign is the name it is called by", async () => {
    for (const argv of [agentArgs("one"), ["--mode", ...agentArgs("two")], ["--mode=agent", ...agentArgs("three").slice(1)]]) {
      const agent = start([BINARY, ...argv]);
      expect(await logged(agent, '"service":"socket"')).toContain('"service":"runner"');
      await endsWell(agent);
    }
    const link = join(dirname(BINARY), "felhom-sign");
    const help = Bun.spawnSync([link, "--help"], { env: ENV, cwd: dir });
    expect([help.exitCode, help.stdout.toString().includes("sign")]).toEqual([0, true]);
  });

  test("of either kind ends within its bound when told to, the watchdog with the agent that it keeps", async () => {
    const hub = start([BINARY, ...hubArgs("hub")]);
    await logged(hub, '"hub.listening"');
    await endsWell(hub);
    const watchdog = start([BINARY, "watchdog", "--data-dir", join(dir, "box"), "--log-format", "json"]);
    await logged(watchdog, '"service":"socket"');
    const pid = Number(readFileSync(`/proc/${watchdog.pid}/task/${watchdog.pid}/children`, "utf8").trim().split(" ")[0]);
    expect(pid).toBeGreaterThan(0);
    await endsWell(watchdog);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
  });

  test("without root is the same: its data lies where it is told to, and nowhere else is written", async () => {
    if (!isRoot) {
      const agent = start([BINARY, ...agentArgs("box")]);
      await logged(agent, '"service":"socket"');
      await endsWell(agent);
      return;
    }
    const [binary, home] = [join(dir, "felhom"), join(dir, "home")];
    copyFileSync(BINARY, binary);
    mkdirSync(home, { mode: 0o700 });
    chownSync(home, NOBODY, NOBODY);
    const nobody = ["setpriv", "--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups", "--no-new-privs", binary];
    const env = { ...ENV, HOME: home };
    const agent = start([...nobody, "agent", "--log-format", "json"], "/", env);
    await logged(agent, '"service":"socket"');
    const hub = start([...nobody, "hub", "--address", "127.0.0.1", "--port", String(await freePort()), "--log-format", "json"], "/", env);
    await logged(hub, '"hub.listening"');
    for (const path of [".local/share/felhom/agent.db", ".local/share/felhom-hub/hub.db"]) expect([path, existsSync(join(home, path))]).toEqual([path, true]);
    await endsWell(agent);
    await endsWell(hub);
  });
});

test("A11: a second agent on one data directory is refused by name; after kill -9 of the first there is nothing in the way", async () => {
  const first = start([BINARY, ...agentArgs("box")]);
  await logged(first, '"service":"socket"');
  const second = start([BINARY, ...agentArgs("box")]);
  expect(await logged(second, "lock_held")).toContain("process.failed");
  expect(await second.exited).not.toBe(0);
  expect(first.exitCode).toBeNull();
  first.kill("SIGKILL");
  await first.exited;
  const third = start([BINARY, ...agentArgs("box")]);
  await logged(third, '"service":"socket"');
  await endsWell(third);
});

describe("ready", () => {
  test("is an agent that no hub answers", async () => {
    await using hub = await LoopbackHub.start();
    const box = new RealBox(dir, "box");
    await box.join(hub);
    hub.online = false;
    box.start();
    await box.until("it is offline", ({ link }) => link.is === "offline");
    const ready = await box.ask("GET", "/readyz");
    expect([ready.status, ((await ready.json()) as { ready: boolean }).ready]).toEqual([200, true]);
    expect((await box.stop("SIGTERM")).code).toBe(0);
  });

  const noDisk = !isRoot ? "needs root for a small file system" : undefined;
  test.skipIf(noDisk !== undefined)(
    noDisk === undefined ? "is no hub that cannot write, until it can again" : `is no hub that cannot write [skipped: ${noDisk}]`,
    async () => {
      const disk = join(dir, "disk");
      mkdirSync(disk);
      expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=8m", "none", disk]).exitCode).toBe(0);
      try {
        const hub = await startHub(join(disk, "hub"));
        if (hub === undefined) throw new Error("the hub did not start");
        const { testFleet } = await import("../../shared/sim/test-fleet.ts");
        while (!existsSync(join(disk, "hub", "setup-token"))) await Bun.sleep(10);
        const fleet = testFleet("one", Date.now() - 3_600_000);
        const setUp = (): Promise<Response> =>
          fetch(`${hub.url}/api/v1/setup`, {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ setup_token: readFileSync(join(disk, "hub", "setup-token"), "utf8").trim(), root: fleet.rootEnvelope }),
          });
        const ready = async (): Promise<number> => (await fetch(`${hub.url}/readyz`)).status;
        expect(await ready()).toBe(200);
        Bun.spawnSync(["dd", "if=/dev/zero", `of=${disk}/full`, "bs=4k"], { stderr: "ignore" });
        expect((await setUp()).status).toBeGreaterThanOrEqual(500);
        expect([await ready(), (await fetch(`${hub.url}/healthz`)).status]).toEqual([503, 200]);
        rmSync(join(disk, "full"));
        expect((await setUp()).status).toBe(201);
        expect(await ready()).toBe(200);
        expect(await hub.kill("SIGTERM")).toBe(0);
      } finally {
        Bun.spawnSync(["umount", "-l", disk]);
      }
    },
    60_000,
  );
});

describe("the build", () => {
  const builds = mkdtempSync(join(tmpdir(), "felhom-builds-"));
  afterAll(() => rmSync(builds, { recursive: true, force: true }));
  const build = (name: string, target: string): { readonly ok: boolean; readonly said: string } => {
    const done = Bun.spawnSync([BUN, join(projectRoot, "build/build.ts"), "--target", target, "--out", join(builds, name)], {
      cwd: builds,
      stdout: "pipe",
      stderr: "pipe",
    });
    return { ok: done.exitCode === 0, said: done.stdout.toString() + done.stderr.toString() };
  };
  const hash = (path: string): string => sha256Hex(new Uint8Array(readFileSync(path)));
  const native = process.arch === "arm64" ? "linux-arm64" : "linux-x64";

  test("gives the same bytes twice, wherever it is put", () => {
    for (const name of ["one", "another/place"]) {
      mkdirSync(join(builds, name), { recursive: true });
      expect(build(name, native)).toMatchObject({ ok: true });
    }
    expect(hash(join(builds, "one/felhom"))).toBe(hash(join(builds, "another/place/felhom")));
    expect(hash(join(builds, "one/felhom"))).not.toBe(sha256Hex(utf8("")));
  }, 240_000);

  const noRegistry =
    Bun.which("npm") === null
      ? "npm is not installed"
      : Bun.spawnSync(["npm", "ping"], { stdout: "ignore", stderr: "ignore", timeout: 15_000 }).exitCode === 0
        ? undefined
        : "no npm registry answers";
  test.skipIf(noRegistry !== undefined)(
    noRegistry === undefined ? "for the other processor is that processor's" : `for the other processor [skipped: ${noRegistry}]`,
    () => {
      const other = native === "linux-x64" ? "linux-arm64" : "linux-x64";
      const built = build("cross", other);
      expect([built.said, built.ok]).toEqual([built.said, true]);
      const head = new Uint8Array(20);
      readSync(openSync(join(builds, "cross", `felhom-${other}`), "r"), head);
      // e_machine of the ELF header: 183 is AArch64, 62 is x86-64.
      expect([basename(other), head[18]]).toEqual([other, other === "linux-arm64" ? 183 : 62]);
    },
    300_000,
  );
});
