/** Ops that touch the system, on a real Debian with systemd, brought by file: no hub is needed for any of them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../scripts/fleet/real-fleet.ts";
import { base64, utf8 } from "../../shared/core/bytes.ts";
import type { OpKindName } from "../../shared/ops/catalogue.ts";
import { makeOpsBox, type OpsBox } from "../../shared/sim/test-ops-box.ts";
import { type TestWorld, testWorld } from "../../shared/sim/test-world.ts";
import { type Container, makeContainer, whyNot } from "./container.ts";
import { BINARY } from "./fresh-root.ts";

const reason = existsSync(BINARY) ? whyNot() : "dist/felhom is not built (scripts/bun build/build.ts)";

interface Item {
  readonly state: string;
  readonly code: string | null;
  readonly detail: string | null;
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe.skipIf(reason !== undefined)(reason === undefined ? "ops on a real Debian" : `ops on a real Debian [skipped: ${reason}]`, () => {
  let box: Container;
  let world: TestWorld;
  let ops: OpsBox;

  beforeAll(() => {
    world = testWorld({ seed: `system-${Date.now()}` });
    box = makeContainer();
    box.must("apt-get", "update", "-q");
    box.must("apt-get", "install", "-y", "-q", "cron");
    ops = makeOpsBox(world, join(box.root, "var/lib/felhom"), () => Date.now());
    copyFileSync(join(projectRoot, "build/packaging/felhom-agent.service"), join(box.root, "etc/systemd/system/felhom-agent.service"));
    // Stands before the real one: what matters is that it is called, once, and when.
    box.write("/usr/local/sbin/shutdown", '#!/bin/sh\necho "$@" >> /root/shutdown-calls\n', 0o755);
    box.must("systemctl", "daemon-reload");
    box.must("systemctl", "enable", "--now", "felhom-agent");
    const endMs = Date.now() + 120_000;
    while (box.run("felhom", "status", "--box").code !== 0) {
      if (Date.now() > endMs) throw new Error(box.run("journalctl", "-u", "felhom-agent", "-n", "50").out);
      Bun.sleepSync(200);
    }
  }, 300_000);
  afterAll(() => {
    box?.remove();
    world?.remove();
  }, 240_000);

  function run(kind: OpKindName, params: Readonly<Record<string, unknown>> = {}): Item {
    const op = ops.op(kind, params);
    writeFileSync(join(box.root, "root/op.json"), op.bytes);
    const done = box.run("felhom", "op", "import", "/root/op.json", "-o", "json", "--timeout", "120s");
    const [item] = (JSON.parse(done.out) as { items: Item[] }).items;
    if (item === undefined) throw new Error(done.err);
    return item;
  }

  test("services are restarted, stopped and started by systemd", () => {
    const pid = (): string => box.must("systemctl", "show", "-P", "MainPID", "cron").trim();
    const before = pid();
    expect(run("service.restart", { name: "cron" })).toMatchObject({ state: "done" });
    expect(pid()).not.toBe(before);
    expect(run("service.stop", { name: "cron" }).state).toBe("done");
    expect(box.run("systemctl", "is-active", "cron").out.trim()).toBe("inactive");
    expect(run("service.start", { name: "cron.service" }).state).toBe("done");
    expect(box.run("systemctl", "is-active", "cron").out.trim()).toBe("active");
    expect(run("service.restart", { name: "nowhere" })).toMatchObject({ state: "failed", code: "not_found" });
  });

  test("the journal is read, and followed for a while", () => {
    expect(run("logs.tail", { unit: "cron.service", lines: 5 }).stdout).toContain("cron");
    expect(run("logs.tail", { unit: "cron.service", lines: 1, follow_s: 1 }).state).toBe("done");
  });

  test("a script runs as another user, with nothing of the agent's", () => {
    const item = run("cmd.run", { script: "id -un; cat /var/lib/felhom/identity/signing.key\n", user: "nobody" });
    expect([item.exit, item.stdout]).toEqual([1, "nobody\n"]);
    expect(item.stderr).toContain("Permission denied");
    expect(box.must("sh", "-c", "ls -A /run/felhom-ops").trim()).toBe("");
  });

  test("a file is put with owner and mode, and read back", () => {
    expect(run("file.put", { path: "/etc/felhom-put", content: base64(utf8("put\n")), mode: "0640", owner: "nobody", group: "nogroup" }).state).toBe("done");
    expect(box.must("stat", "-c", "%U:%G %a", "/etc/felhom-put").trim()).toBe("nobody:nogroup 640");
    expect(run("file.get", { path: "/etc/felhom-put" })).toMatchObject({ state: "done", stdout: "put\n" });
    box.must("ln", "-s", "/etc/shadow", "/etc/felhom-link");
    expect(run("file.get", { path: "/etc/felhom-link" }).state).toBe("failed");
  });

  test("packages are upgraded by apt, and one that is not installed is refused", () => {
    expect(run("package.upgrade", { names: ["cron"] })).toMatchObject({ state: "done", exit: 0 });
    expect(run("package.upgrade", { names: ["no-such-package"] })).toMatchObject({ state: "failed", code: "not_found" });
  });

  test("a reboot is answered before it happens, and happens once", async () => {
    expect(run("host.reboot", { delay_s: 1 }).state).toBe("done");
    const calls = join(box.root, "root/shutdown-calls");
    expect(existsSync(calls)).toBe(false);
    const endMs = Date.now() + 120_000;
    while ((!existsSync(calls) || readFileSync(calls, "utf8") === "") && Date.now() < endMs) await Bun.sleep(100);
    expect(readFileSync(calls, "utf8")).toBe("-r now\n");
    rmSync(calls);
    expect(box.must("felhom", "status", "--log", "-o", "json")).toContain('"holds":true');
  });
});
