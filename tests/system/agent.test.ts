/**
 * The agent and its watchdog under a real systemd unit, with a real hub: a box comes under management, keeps what is published,
 * outlives its agent, its hub and a power cut. The hub and the workstation run on this machine, the box is a container that shares its loopback.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot, RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { makeContainer, whyNot, type Container } from "./container.ts";
import { BINARY } from "./fresh-root.ts";

const reason = existsSync(BINARY) ? whyNot() : "dist/felhom is not built (scripts/bun build/build.ts)";
const named = (name: string): string => (reason === undefined ? name : `${name} [skipped: ${reason}]`);

const state = (text: string): string => `/etc/motd:
  file:
    content: "${text}\\n"
    mode: "0644"
cron:
  package: {}
cron.service:
  service:
    ensure: running
  require: [package/cron]
`;

describe.skipIf(reason !== undefined)("agent and watchdog under a real unit", () => {
  let box: Container;
  let fleet: RealFleet;
  let tree: string;

  beforeAll(async () => {
    box = makeContainer();
    box.must("apt-get", "update", "-q");
    fleet = new RealFleet({ lightVault: true });
    await fleet.start();
    tree = mkdtempSync(join(tmpdir(), "felhom-tree-"));
    mkdirSync(join(tree, "states"));
    writeFileSync(join(tree, "fleet.yaml"), "name: sample\n");
    writeFileSync(join(tree, "targets.yaml"), '- match: "true"\n  states: [base]\n');
  }, 300_000);
  afterAll(async () => {
    await fleet?.stop();
    box?.remove();
    if (tree !== undefined) rmSync(tree, { recursive: true, force: true });
  }, 240_000);

  const publish = (text: string): void => {
    writeFileSync(join(tree, "states/base.yaml"), state(text));
    fleet.publish(tree);
  };
  const motd = (): string => (existsSync(join(box.root, "etc/motd")) ? readFileSync(join(box.root, "etc/motd"), "utf8") : "");
  const pidOf = (role: string): string =>
    box
      .must(
        "sh",
        "-c",
        `for p in /proc/[0-9]*; do if tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^/usr/local/bin/felhom ${role}\\( \\|$\\)'; then basename $p; fi; done`,
      )
      .trim();

  test(named("from enrollment to a kept box, through a dead agent, a dead hub, a dead watchdog and a power cut"), async () => {
    const joined = JSON.parse(fleet.operator(["join-code", "-o", "json"]).stdout) as { code?: string; item?: { code: string } };
    const code = joined.item?.code ?? joined.code ?? "";
    const enroll = ["felhom", "enroll", "--master-urls", fleet.hubUrl, "--join", code, "--name", "box-1"];
    const asked = box.run(...enroll, "--no-wait");
    const words = /[a-z]+(?:-[a-z]+){4}/.exec(asked.out + asked.err)?.[0] ?? "";
    fleet.operator(["host", "approve", "box-1", "--words", words, "--yes", "--passphrase-file", fleet.passphraseFile]);
    box.must(...enroll);

    copyFileSync(join(projectRoot, "build/packaging/felhom-agent.service"), join(box.root, "etc/systemd/system/felhom-agent.service"));
    box.must("systemctl", "daemon-reload");
    box.must("systemctl", "enable", "--now", "felhom-agent");
    publish("one");
    await fleet.until("the box holds what was published", async () => motd() === "one\n" && box.run("systemctl", "is-active", "cron").out.trim() === "active");

    // The agent dies: its watchdog starts another, and systemd notices nothing.
    const [watchdog, agent] = [pidOf("watchdog"), pidOf("agent")];
    expect([watchdog, agent]).toEqual([expect.stringMatching(/^\d+$/), expect.stringMatching(/^\d+$/)]);
    box.must("sh", "-c", `kill -9 ${agent}`);
    await fleet.until("a new agent is there", async () => /^\d+$/.test(pidOf("agent")) && pidOf("agent") !== agent);
    expect(pidOf("watchdog")).toBe(watchdog);

    // The hub dies: drift is mended all the same.
    await fleet.kill("hub", "SIGKILL");
    writeFileSync(join(box.root, "etc/motd"), "by hand\n");
    box.must("systemctl", "stop", "cron");
    await fleet.until("the agent answers", async () => box.run("felhom", "status", "--box").code === 0);
    box.run("felhom", "converge");
    await fleet.until("drift is mended with no hub", async () => motd() === "one\n" && box.run("systemctl", "is-active", "cron").out.trim() === "active");

    // The watchdog dies: systemd starts it, and there is one agent.
    box.must("sh", "-c", `kill -9 ${watchdog}`);
    await fleet.until(
      "systemd started the watchdog and it an agent",
      async () => /^\d+$/.test(pidOf("watchdog")) && pidOf("watchdog") !== watchdog && /^\d+$/.test(pidOf("agent")),
    );

    // The box loses power and comes back with the hub still away: it enforces from its own disk.
    box.cutPower();
    writeFileSync(join(box.root, "etc/motd"), "by hand again\n");
    box.boot();
    await fleet.until("a booting agent enforces with no hub", async () => motd() === "one\n");

    // A stop is a stop: nothing of felhom is left running.
    box.must("systemctl", "stop", "felhom-agent");
    expect([pidOf("watchdog"), pidOf("agent")]).toEqual(["", ""]);
    box.must("systemctl", "start", "felhom-agent");

    // The hub is back: what is published next arrives by itself.
    await fleet.startHub();
    publish("two");
    await fleet.until("the next bundle arrived", async () => motd() === "two\n");
    const shown = fleet.operator(["host", "show", "box-1", "-o", "json"]).stdout;
    expect(shown).toContain("box-1");
    expect(box.must("systemctl", "show", "-P", "Result", "felhom-agent").trim()).toBe("success");
  }, 300_000);
});
