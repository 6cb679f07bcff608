/**
 * felhom on a real Debian: apt, useradd, cron and systemd as they are, by the compiled binary. Each test has a fleet directory
 * of its own and leaves the others' things alone.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeChroot, whyNoChroot } from "./chroot.ts";
import { makeContainer, whyNot } from "./container.ts";
import { BINARY, type Debian } from "./fresh-root.ts";
import { freePort } from "../../shared/sim/free-port.ts";

const unbuilt = existsSync(BINARY) ? undefined : "dist/felhom is not built (scripts/bun build/build.ts)";
const reason = unbuilt ?? whyNot();
const noChroot = unbuilt ?? whyNoChroot();
const naming =
  (why: string | undefined) =>
  (name: string): string =>
    why === undefined ? name : `${name} [skipped: ${why}]`;
const named = naming(reason);

interface Outcome {
  readonly code: number;
  readonly counts: Readonly<Record<string, number>>;
  readonly items: readonly { readonly name: string; readonly outcome: string; readonly reason: string }[];
}

/** A fleet of one state, written below /srv in the container. */
function fleetOf(box: Debian, name: string, state: string, files: Readonly<Record<string, string>> = {}): string {
  box.write(`/srv/${name}/fleet.yaml`, `name: ${name}\n`);
  box.write(`/srv/${name}/targets.yaml`, '- match: "true"\n  states: [main]\n');
  box.write(`/srv/${name}/states/main.yaml`, state);
  for (const [path, text] of Object.entries(files)) box.write(`/srv/${name}/files/${path}`, text);
  return `/srv/${name}`;
}

function apply(box: Debian, fleet: string, ...more: readonly string[]): Outcome {
  const { code, out, err } = box.run("felhom", "local", "apply", fleet, "--yes", "--json", ...more);
  try {
    const { counts, items } = JSON.parse(out) as Pick<Outcome, "counts" | "items">;
    return { code, counts, items };
  } catch {
    throw new Error(`felhom local apply ended with ${code} and said:\n${out}${err}`);
  }
}

/** Everything that was not unchanged, as `resource outcome`. */
const told = ({ items }: Outcome): readonly string[] =>
  items.map(({ name, outcome, reason }) => (outcome === "changed" ? `${name} ${outcome}` : `${name} ${outcome}: ${reason}`));

describe.skipIf(reason !== undefined)("under systemd", () => {
  let box: Debian;
  beforeAll(() => {
    box = makeContainer();
    box.must("apt-get", "update", "-q");
  }, 300_000);
  afterAll(() => box?.remove());

  test(named("an nginx site: from nothing to an answer, kept, mended, reloaded"), async () => {
    const port = await freePort();
    const state = (page: string, title: string): string => `nginx:
  package:
    names: [nginx-light]
/srv/www:
  directory:
    mode: "0755"
/srv/www/index.html:
  file:
    content: "${page}\\n"
    mode: "0644"
    owner: root
    group: www-data
/etc/nginx/sites-enabled/default:
  file:
    source: files/site.conf
  require: [package/nginx]
/etc/nginx/conf.d/title.conf:
  file:
    content: "add_header X-Title ${title};\\n"
  require: [package/nginx]
nginx.service:
  service:
    ensure: running
    enabled: true
    onWatch: reload
  watch: [file//etc/nginx/sites-enabled/default, file//etc/nginx/conf.d/title.conf]
`;
    const site = { "site.conf": `server { listen 127.0.0.1:${port}; root /srv/www; }\n` };
    const get = async (): Promise<{ text: string; title: string | null }> => {
      const reply = await fetch(`http://127.0.0.1:${port}/`, { keepalive: false });
      return { text: await reply.text(), title: reply.headers.get("x-title") };
    };
    const pid = (): string => box.must("systemctl", "show", "--property=MainPID", "--value", "nginx").trim();

    // Debian's nginx starts on port 80, which this machine may use itself: hold the start until the site is declared.
    box.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755);
    const fleet = fleetOf(box, "site", state("hello", "one"), site);
    const first = apply(box, fleet);
    rmSync(join(box.root, "usr/sbin/policy-rc.d"));
    expect(told(first).filter((line) => !line.endsWith(" changed"))).toEqual([]);
    expect(first.code).toBe(0);
    expect(await get()).toEqual({ text: "hello\n", title: "one" });
    expect(box.must("systemctl", "is-enabled", "nginx").trim()).toBe("enabled");

    const second = apply(box, fleet, "--exit-code");
    expect(second).toMatchObject({ code: 0, counts: { changed: 0, failed: 0 }, items: [] });

    writeFileSync(join(box.root, "srv/www/index.html"), "by hand\n");
    box.must("systemctl", "stop", "nginx");
    expect(told(apply(box, fleet))).toEqual(["file//srv/www/index.html changed", "service/nginx.service changed"]);
    expect((await get()).text).toBe("hello\n");

    const before = pid();
    fleetOf(box, "site", state("hello", "two"), site);
    expect(told(apply(box, fleet))).toEqual(["file//etc/nginx/conf.d/title.conf changed", "service/nginx.service changed"]);
    // nginx has taken the signal when `reload` returns; its new workers come a moment later.
    const deadline = Date.now() + 60_000;
    while ((await get()).title !== "two" && Date.now() < deadline) await Bun.sleep(50);
    expect((await get()).title).toBe("two");
    expect(pid()).toBe(before);
  }, 240_000);

  test(named("a unit of our own: known to systemd, started, restarted when its file changes, stopped"), () => {
    const state = (argument: string, ensure: string): string => `/etc/systemd/system/tick.service:
  file:
    content: |
      [Service]
      ExecStart=/bin/sleep ${argument}
      [Install]
      WantedBy=multi-user.target
tick:
  service:
    ensure: ${ensure}
    enabled: ${ensure === "running"}
  watch: [file//etc/systemd/system/tick.service]
`;
    const command = (): string => box.must("sh", "-c", "tr '\\0' ' ' </proc/$(systemctl show -P MainPID tick)/cmdline").trim();
    const fleet = fleetOf(box, "tick", state("1001", "running"));
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 2 } });
    expect(command()).toBe("/bin/sleep 1001");
    fleetOf(box, "tick", state("1002", "running"));
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 2 } });
    expect(command()).toBe("/bin/sleep 1002");
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 0 } });
    box.must("sh", "-c", "kill -9 $(systemctl show -P MainPID tick)");
    expect(told(apply(box, fleet))).toEqual(["service/tick changed"]);
    fleetOf(box, "tick", state("1002", "stopped"));
    expect(told(apply(box, fleet))).toEqual(["service/tick changed"]);
    expect(box.run("systemctl", "is-active", "tick").out.trim()).toBe("inactive");
    expect(box.run("systemctl", "is-enabled", "tick").out.trim()).toBe("disabled");
  }, 240_000);

  test(named("users and groups: made, brought back, changed, removed"), () => {
    const hash = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/";
    const state = (shell: string): string => `crew:
  group:
    gid: 4100
deploy:
  user:
    uid: 4101
    group: crew
    groups: [adm]
    shell: ${shell}
    comment: Deploys things
    passwordHash: "${hash}"
  require: [group/crew]
/home/deploy/.profile:
  file:
    content: "export A=1\\n"
    owner: deploy
    group: crew
  require: [user/deploy]
`;
    const fleet = fleetOf(box, "people", state("/bin/sh"));
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 3 } });
    expect(box.must("id", "deploy").trim()).toBe("uid=4101(deploy) gid=4100(crew) groups=4100(crew),4(adm)");
    expect(box.must("getent", "shadow", "deploy").split(":")[1]).toBe(hash);
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 0 } });
    box.must("userdel", "--remove", "deploy");
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 2 } });
    expect(statSync(join(box.root, "home/deploy/.profile")).uid).toBe(4101);
    fleetOf(box, "people", state("/bin/bash"));
    expect(told(apply(box, fleet))).toEqual(["user/deploy changed"]);
    expect(box.must("getent", "passwd", "deploy").trim()).toEndWith(":/bin/bash");
    fleetOf(box, "people", "deploy:\n  user:\n    ensure: absent\n    removeHome: true\ncrew:\n  group:\n    ensure: absent\n  require: [user/deploy]\n");
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 2 } });
    expect(box.run("id", "deploy").code).not.toBe(0);
    expect(existsSync(join(box.root, "home/deploy"))).toBe(false);
    expect(box.must("sh", "-c", "journalctl --no-pager -q | grep -c '[$]6[$]saltsalt' || true").trim()).toBe("0");
  }, 240_000);

  test(named("a cron job that cron itself accepts and runs"), async () => {
    const state = `cron:
  package: {}
cron.service:
  service:
    ensure: running
    enabled: true
  require: [package/cron]
proof:
  cron:
    schedule: "* * * * *"
    argv: [sh, -c, "echo it ran 100% > /run/proof"]
  require: [package/cron]
`;
    const fleet = fleetOf(box, "jobs", state);
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { failed: 0 } });
    const job = join(box.root, "etc/cron.d/felhom-proof");
    expect(statSync(job).mode & 0o7777).toBe(0o644);
    writeFileSync(job, `${readFileSync(job, "utf8")}* * * * * root true\n`);
    expect(told(apply(box, fleet))).toEqual(["cron/proof changed"]);
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 0 } });
    // At the next full minute; /run is the container's own tmpfs, so it is asked there.
    const deadline = Date.now() + 150_000;
    while (box.run("test", "-s", "/run/proof").code !== 0 && Date.now() < deadline) await Bun.sleep(500);
    expect(box.must("cat", "/run/proof")).toBe("it ran 100%\n");
    fleetOf(box, "jobs", "proof:\n  cron:\n    ensure: absent\n");
    expect(told(apply(box, fleet))).toEqual(["cron/proof changed"]);
    expect(existsSync(job)).toBe(false);
  }, 240_000);

  test(named("packages: many in one transaction, one bad name fails alone, removed and purged"), () => {
    const state = (ensure: string): string => `tree:
  package:
    ensure: ${ensure}
bc:
  package:
    ensure: ${ensure}
`;
    const fleet = fleetOf(box, "tools", state("present"));
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 2 } });
    const transactions = box.must("grep", "^Commandline: .*install", "/var/log/apt/history.log").trim().split("\n");
    expect(transactions.filter((line) => / tree\b/.test(line) && / bc\b/.test(line))).toHaveLength(1);
    const bad = fleetOf(box, "tools-bad", "no-such-package-at-all:\n  package: {}\ned:\n  package: {}\n");
    const outcome = apply(box, bad);
    expect(outcome.code).toBe(4);
    expect(told(outcome)).toEqual([expect.stringMatching(/^package\/no-such-package-at-all failed: .*Unable to locate package/), "package/ed changed"]);
    expect(box.run("sh", "-c", "command -v ed").code).toBe(0);
    fleetOf(box, "tools", state("absent"));
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 2 } });
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 0 } });
    expect(box.run("sh", "-c", "command -v tree bc").code).not.toBe(0);
  }, 240_000);

  test(named("a purge stays in its directory: links go, their targets and mounts stay"), () => {
    const at = (path: string): string => join(box.root, path);
    mkdirSync(at("srv/conf.d/old"), { recursive: true });
    mkdirSync(at("srv/outside"));
    writeFileSync(at("srv/outside/keep"), "keep\n");
    symlinkSync("/srv/outside", at("srv/conf.d/link"));
    writeFileSync(at("srv/conf.d/old/file"), "");
    const fleet = fleetOf(box, "purge", '/srv/conf.d:\n  directory:\n    purge: true\n/srv/conf.d/mine:\n  file:\n    content: "mine\\n"\n');
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { failed: 0 } });
    expect(readdirSync(at("srv/conf.d"))).toEqual(["mine"]);
    expect(readFileSync(at("srv/outside/keep"), "utf8")).toBe("keep\n");
    mkdirSync(at("srv/conf.d/mnt"));
    box.must("mount", "--bind", "/srv/outside", "/srv/conf.d/mnt");
    const refused = apply(box, fleet);
    box.must("umount", "/srv/conf.d/mnt");
    expect(refused.code).toBe(4);
    expect(told(refused)[0]).toContain("a file system is mounted there");
    expect(readFileSync(at("srv/outside/keep"), "utf8")).toBe("keep\n");
  }, 240_000);

  test(named("a state's code runs as nobody, without an environment, and its failure touches nothing"), () => {
    const fleet = fleetOf(box, "code", "");
    rmSync(join(box.root, "srv/code/states/main.yaml"));
    box.write("/srv/code/states/main.ts", 'export default (host: Host) => ({ "/srv/from-code": { file: { content: `${host.name}\\n` } } });\n');
    expect(told(apply(box, fleet, "--name", "till"))).toEqual(["file//srv/from-code changed"]);
    expect(readFileSync(join(box.root, "srv/from-code"), "utf8")).toBe("till\n");
    box.write("/srv/code/states/main.ts", "export default () => { for (;;) {} };\n");
    // While it spins: who runs it, and with what environment?
    const look =
      "felhom local apply /srv/code --yes >/tmp/said 2>&1 & sleep 2; for p in /proc/[0-9]*; do if tr '\\0' ' ' <$p/cmdline | grep -q '^/usr/local/bin/felhom render'; then grep '^Uid' $p/status; wc -c <$p/environ; fi; done; wait; cat /tmp/said";
    const said = box.must("sh", "-c", look);
    expect(said).toMatch(/Uid:\t65534\t65534\t65534\t65534\n0\n/);
    expect(said).toContain("nothing was touched");
    expect(readFileSync(join(box.root, "srv/from-code"), "utf8")).toBe("till\n");
  }, 240_000);

  test(named("the fleet that `felhom init` writes works as it is written"), async () => {
    const port = await freePort();
    box.must("felhom", "init", "/srv/sample");
    const settings = join(box.root, "srv/sample/settings/role/web.yaml");
    writeFileSync(settings, readFileSync(settings, "utf8").replace(/port: \d+/, `port: ${port}`));
    box.must("felhom", "check", "/srv/sample");
    box.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755);
    const labels = ["--label", "role=web", "--label", "site=home"];
    const first = apply(box, "/srv/sample", ...labels);
    rmSync(join(box.root, "usr/sbin/policy-rc.d"));
    expect(told(first).filter((line) => !line.endsWith(" changed"))).toEqual([]);
    expect(await (await fetch(`http://127.0.0.1:${port}/`, { keepalive: false })).text()).toContain("kept by felhom");
    expect(apply(box, "/srv/sample", ...labels, "--exit-code")).toMatchObject({ code: 0, counts: { changed: 0, failed: 0 } });
    box.must("sh", "-c", "rm -rf /srv/sample /etc/nginx/sites-enabled/default && systemctl stop nginx");
  }, 240_000);

  test(named("facts say what this is"), () => {
    const { facts } = JSON.parse(box.must("felhom", "facts", "--json")) as { facts: Record<string, Record<string, unknown>> };
    expect(facts).toMatchObject({
      errors: {},
      service_manager: { name: "systemd" },
      package_manager: { name: "apt" },
      virtualisation: { kind: "container", by: "lxc" },
    });
  });
});

describe.skipIf(noChroot !== undefined)("without systemd, in a chroot", () => {
  const bare = naming(noChroot);
  let box: Debian;
  beforeAll(() => {
    box = makeChroot();
    box.must("apt-get", "update", "-q");
  }, 300_000);
  afterAll(() => box?.remove());

  test(bare("a service of /etc/init.d: started, enabled, mended, stopped, by the provider that the box chose"), () => {
    const script = `#!/bin/sh
### BEGIN INIT INFO
# Provides: tock
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
# Short-Description: tock
### END INIT INFO
P=/run/tock.pid
case "$1" in
start) start-stop-daemon --start --background --make-pidfile --pidfile $P --exec /bin/sleep -- 1000 ;;
stop) start-stop-daemon --stop --pidfile $P --retry 2 --remove-pidfile ;;
restart) $0 stop; $0 start ;;
status) start-stop-daemon --status --pidfile $P; r=$?; [ $r = 0 ] || exit 3 ;;
esac
`;
    box.write("/etc/init.d/tock", script, 0o755);
    const fleet = fleetOf(box, "tock", "tock:\n  service:\n    ensure: running\n    enabled: true\n");
    const status = (): number => box.run("/etc/init.d/tock", "status").code;
    expect(told(apply(box, fleet))).toEqual(["service/tock changed"]);
    expect(status()).toBe(0);
    expect(readdirSync(join(box.root, "etc/rc2.d")).some((name) => /^S\d\dtock$/.test(name))).toBe(true);
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 0 } });
    box.must("/etc/init.d/tock", "stop");
    expect(told(apply(box, fleet))).toEqual(["service/tock changed"]);
    expect(status()).toBe(0);
    fleetOf(box, "tock", "tock:\n  service:\n    ensure: stopped\n    enabled: false\n");
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 1 } });
    expect(status()).toBe(3);
    const facts = JSON.parse(box.must("felhom", "facts", "--json")) as { facts: { service_manager: unknown } };
    expect(facts.facts.service_manager).toEqual({ name: "sysvinit", because: expect.stringMatching(/^\/etc\/init.d is there and the init is \S+$/) });
  }, 240_000);

  test(bare("an nginx site, started by its script: from nothing to an answer, kept, mended, reloaded"), async () => {
    const port = await freePort();
    const state = (title: string): string => `nginx:
  package:
    names: [nginx-light]
/srv/www/index.html:
  file:
    content: "no systemd here\\n"
    owner: root
    group: www-data
  require: [directory//srv/www]
/srv/www:
  directory: {}
/etc/nginx/sites-enabled/default:
  file:
    source: files/site.conf
  require: [package/nginx]
/etc/nginx/conf.d/title.conf:
  file:
    content: "add_header X-Title ${title};\\n"
  require: [package/nginx]
web:
  service:
    name: nginx
    ensure: running
    enabled: true
    onWatch: reload
  watch: [file//etc/nginx/sites-enabled/default, file//etc/nginx/conf.d/title.conf]
`;
    const site = { "site.conf": `server { listen 127.0.0.1:${port}; root /srv/www; }\n` };
    const get = async (): Promise<readonly [string, string | null]> => {
      try {
        const reply = await fetch(`http://127.0.0.1:${port}/`, { keepalive: false });
        return [await reply.text(), reply.headers.get("x-title")];
      } catch (error) {
        return [String(error), null];
      }
    };
    // nginx has taken the signal when `start` or `reload` returns; that it listens as it was told comes a moment later.
    const titled = async (title: string): Promise<readonly [string, string | null]> => {
      const deadline = Date.now() + 120_000;
      for (;;) {
        const got = await get();
        if (got[1] === title || Date.now() > deadline) return got;
        await Bun.sleep(50);
      }
    };
    // Its listening sockets are closed at once, and a script that starts it finds the old one still there until its workers have ended.
    const stopped = async (): Promise<void> => {
      box.must("/etc/init.d/nginx", "stop");
      const deadline = Date.now() + 120_000;
      while (existsSync(join(box.root, "run/nginx.pid")) && Date.now() < deadline) await Bun.sleep(50);
    };
    const fleet = fleetOf(box, "site", state("one"), site);
    const first = apply(box, fleet);
    expect(told(first).filter((line) => !line.endsWith(" changed"))).toEqual([]);
    expect([first.code, await titled("one")]).toEqual([0, ["no systemd here\n", "one"]]);
    expect(apply(box, fleet, "--exit-code")).toMatchObject({ code: 0, counts: { changed: 0, failed: 0 }, items: [] });
    writeFileSync(join(box.root, "srv/www/index.html"), "by hand\n");
    await stopped();
    expect(told(apply(box, fleet))).toEqual(["file//srv/www/index.html changed", "service/nginx changed"]);
    expect(await titled("one")).toEqual(["no systemd here\n", "one"]);
    fleetOf(box, "site", state("two"), site);
    expect(told(apply(box, fleet))).toEqual(["file//etc/nginx/conf.d/title.conf changed", "service/nginx changed"]);
    expect((await titled("two"))[1]).toBe("two");
    await stopped();
  }, 240_000);

  test(bare("packages, users and groups, a cron job: made, kept, mended, removed"), () => {
    const state = (ensure: string): string => `bc:
  package:
    ensure: ${ensure}
crew:
  group:
    ensure: ${ensure}
    gid: 4100
  require: [${ensure === "absent" ? "user/deploy" : ""}]
deploy:
  user:
    ensure: ${ensure}
    uid: 4101
    group: crew
  require: [${ensure === "absent" ? "" : "group/crew"}]
nightly:
  cron:
    ensure: ${ensure}
    schedule: "7 3 * * *"
    argv: ["true"]
`;
    const fleet = fleetOf(box, "people", state("present"));
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 4, failed: 0 } });
    expect(box.must("id", "deploy").trim()).toBe("uid=4101(deploy) gid=4100(crew) groups=4100(crew)");
    expect(box.must("sh", "-c", "echo 6*7 | bc").trim()).toBe("42");
    const job = join(box.root, "etc/cron.d/felhom-nightly");
    expect(readFileSync(job, "utf8")).toContain("7 3 * * * root");
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 0 } });
    writeFileSync(job, "");
    box.must("userdel", "deploy");
    box.must("apt-get", "remove", "-y", "-q", "bc");
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 3 } });
    fleetOf(box, "people", state("absent"));
    expect(apply(box, fleet)).toMatchObject({ code: 0, counts: { changed: 4 } });
    expect([box.run("id", "deploy").code === 0, existsSync(job), box.run("sh", "-c", "command -v bc").code === 0]).toEqual([false, false, false]);
  }, 240_000);
});
