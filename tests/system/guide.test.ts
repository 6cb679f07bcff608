/**
 * The guide from nothing to a converged box, read from the page and run command by command as its reader would: on a Debian with its own
 * systemd that is server, workstation and box at once, as the guide allows. Building is the `build` stage's; everything else is typed as it stands.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { projectRoot } from "../../scripts/fleet/real-fleet.ts";
import { type Container, makeContainer, whyNot } from "./container.ts";
import { freePort } from "../../shared/sim/free-port.ts";
import { BINARY, type Ran } from "./fresh-root.ts";

const reason = existsSync(BINARY) ? whyNot() : "dist/felhom is not built (scripts/bun build/build.ts)";

/** Commands of the page, one a line, without the remark after them. */
function steps(): readonly string[] {
  const page = readFileSync(join(projectRoot, "docs", "guide.md"), "utf8");
  return [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap((block) =>
    (block[1] ?? "").split("\n").flatMap((line) => (line.trim() === "" ? [] : [line.replace(/ +# .*$/, "")])),
  );
}

/** Runs until it is stopped. */
const ENDLESS = /^felhom event follow/;
/** What another step or machine has to do first is waited for by looking again. */
const LOOKS = /^(?:felhom (?:host list|host show|plan)|sudo (?:felhom (?:status|doctor)|journalctl))/;
/** Ends with 3, as the page says: the box is in mode monitor by then. */
const DIFFERS = /^sudo felhom converge/;
/** What a terminal would ask for. */
const ASKS: readonly (readonly [RegExp, string])[] = [
  [/felhom (?:key new|key export|login|trust add|trust remove|trust resign|host approve|host label|publish)\b/g, "$& --passphrase-file /root/pass"],
  [/felhom (?:trust add|trust remove|trust resign|host approve|host label|host spec|publish|local apply)\b/g, "$& --yes"],
];
const PATIENCE_MS = 120_000;

describe.skipIf(reason !== undefined)(reason === undefined ? "the guide" : `the guide [skipped: ${reason}]`, () => {
  let box: Container;
  let port = 0;

  beforeAll(async () => {
    port = await freePort();
    box = makeContainer();
    box.must("apt-get", "update", "-q");
    box.must("apt-get", "install", "-y", "-q", "--no-install-recommends", "sudo");
    box.must("hostname", "box-1");
    box.write("/etc/hosts", "127.0.0.1 localhost hub.example.net box-1\n");
    // The port of the guide may be somebody else's on this machine.
    box.write("/etc/felhom/hub.yaml", `port: ${port}\n`);
    box.write("/root/pass", "correct horse battery staple\n", 0o600);
    box.write("/usr/local/bin/scp", '#!/bin/sh\ncp "${1#*:}" "$2"\n', 0o755);
    // A container has no /dev of its own to make a private one from.
    box.write("/etc/systemd/system/felhom-hub.service.d/container.conf", "[Service]\nPrivateDevices=no\n");
    // The checkout as far as the guide goes on from it: what was built, and the units.
    cpSync(join(projectRoot, "build/packaging"), join(box.root, "root/felhom/build/packaging"), { recursive: true });
    mkdirSync(join(box.root, "root/felhom/dist"));
    copyFileSync(BINARY, join(box.root, "root/felhom/dist/felhom"));
  }, 300_000);
  afterAll(() => box?.remove(), 60_000);

  /** The page's placeholders, as they are here and now. */
  function filledIn(command: string): string {
    let text = command.replaceAll(":8443", `:${port}`);
    for (const [pattern, more] of ASKS) text = text.replaceAll(pattern, more);
    const fill = (placeholder: string, look: string, found: RegExp): void => {
      if (text.includes(placeholder)) text = text.replace(placeholder, found.exec(box.must("sh", "-c", look))?.[0] ?? "NOTHING");
    };
    fill("PIN", "journalctl -u felhom-hub -o cat", /(?<="pin":")[\w-]{43}/);
    fill("CODE", "felhom join-code", /felhom-join-\w+/);
    fill("five-words-as-the-box-shows", "cat /tmp/said", /[a-z]+(?:-[a-z]+){4}/);
    return text;
  }

  async function type(command: string): Promise<Ran> {
    if (ENDLESS.test(command)) {
      const { code, ...said } = box.run("timeout", "--signal=INT", "1", "sh", "-c", `exec ${command}`);
      return { ...said, code: code === 130 || code === 124 ? 0 : code };
    }
    // It waits for the operator, whose command is the next one.
    const isJoining = command.includes("felhom enroll");
    const typed = `cd /root/felhom; export EDITOR=true; ${isJoining ? `(${filledIn(command)}) >/tmp/said 2>&1 &` : filledIn(command)}`;
    let ran = box.run("sh", "-c", typed);
    const isEnough = (): boolean => ran.code === 0 && (!isJoining || /[a-z]+(?:-[a-z]+){4}/.test(box.run("cat", "/tmp/said").out));
    for (const startedMs = performance.now(); !isEnough() && performance.now() - startedMs < PATIENCE_MS; await Bun.sleep(200)) {
      if (!isJoining && !LOOKS.test(command)) break;
      if (!isJoining) ran = box.run("sh", "-c", typed);
    }
    return ran;
  }

  async function until(what: string, isSo: () => boolean): Promise<void> {
    for (const startedMs = performance.now(); !isSo(); await Bun.sleep(200))
      if (performance.now() - startedMs > PATIENCE_MS) throw new Error(`Waited two minutes in vain until ${what}: ${box.run("cat", "/tmp/said").out}`);
  }

  const motd = (): string => (existsSync(join(box.root, "etc/motd")) ? readFileSync(join(box.root, "etc/motd"), "utf8") : "");

  test("every command of it, in order, and then the box is as it says", async () => {
    const all = steps();
    expect(all.length).toBeGreaterThanOrEqual(30);
    for (const command of all) {
      // The checkout is this one, and it was built before.
      if (/^(?:git clone|scripts\/bun) /.test(command)) continue;
      if (command.includes("enable --now felhom-agent")) await until("the box is enrolled", () => box.run("cat", "/tmp/said").out.includes("enrolled"));
      const done = await type(command);
      const isWell = done.code === (DIFFERS.test(command) ? 3 : 0);
      expect([command, isWell ? "" : `${done.code}: ${done.out}${done.err}`]).toEqual([command, ""]);
      if (command.startsWith("felhom publish")) await until("the box is converged", () => motd().includes("This box is kept by felhom."));
    }
    expect(box.must("felhom", "host", "list", "-o", "json")).toContain('"role":"web"');
    await until("the box follows the new key's bundle", () => /"inForce":2/.test(box.must("felhom", "host", "list", "-o", "json")));
  }, 600_000);
});
