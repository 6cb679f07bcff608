/** Providers that work through the system's own programs, with those programs made up: what is asked, with which words, and what an odd answer means. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import type { Command, Finished } from "../../../shared/ports/exec.ts";
import type { Files } from "../../../shared/ports/files.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import type { PackageParams, PackageStep } from "../../../shared/states/resources/package.ts";
import { Accounts } from "./accounts.ts";
import { groupProvider } from "./group.ts";
import { packageProvider } from "./package.ts";
import { ParentDirs } from "./parent-dirs.ts";
import type { ProviderContext } from "./provider.ts";
import { Stages } from "./stages.ts";
import { systemdProvider } from "./service-systemd.ts";
import { userProvider } from "./user.ts";

type Answer = { readonly code?: number; readonly out?: string; readonly err?: string };

let base: TestWorld;
let asked: Command[];
beforeEach(() => {
  base = testWorld();
  asked = [];
});
afterEach(() => base.remove());

const FILES: Readonly<Record<string, string>> = {
  "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nada:x:1000:1000:Ada:/home/ada:/bin/sh\n",
  "/etc/group": "root:x:0:\nada:x:1000:\nadm:x:4:ada\ncrew:x:50:ada,root\n",
  "/etc/shadow": "root:*:1::::::\nada:$6$x:1::::::\n",
};

/** A world whose programs answer what the test says, and whose account files are the ones above. */
function contextOf(answer: (argv: readonly string[], nth: number) => Answer): ProviderContext {
  const run = async (_: string, command: Command): Promise<Finished> => {
    asked.push(command);
    const { code = 0, out = "", err = "" } = answer(command.argv, asked.length);
    return { code, signal: null, stdout: utf8(out), stderr: utf8(err), truncated: false, timedOut: false };
  };
  const files: Files = { ...base.files, read: (op, path, options) => (FILES[path] === undefined ? base.files.read(op, path, options) : utf8(FILES[path])) };
  const world = { ...base, files, exec: { ...base.exec, run } };
  return { world, parents: new ParentDirs(files, base.self), accounts: new Accounts(world), treeDir: base.dir, stages: new Stages(world) };
}
const argvs = (): readonly string[] => asked.map(({ argv }) => argv.join(" "));
const failure = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

describe("apt", () => {
  const wanted = (name: string, more: Partial<PackageParams> = {}): PackageParams => ({ name, ensure: "present", purge: false, ...more });
  const install = (...names: readonly string[]): PackageStep => ({
    do: "package.install",
    reason: "",
    refresh: false,
    packages: names.map((name) => ({ name, version: null })),
  });

  test("one question for all that are installed; candidates are asked only where they matter", async () => {
    const seen = await packageProvider.observe(
      contextOf(() => ({ code: 1, out: "a\tamd64\tinstalled\t1\nb\tamd64\tinstalled\t2\n" })),
      [wanted("a"), wanted("set", { names: ["b"] })],
    );
    expect(seen).toEqual([
      { ok: true, observed: { packages: { a: { installed: "1", candidate: "1" } } } },
      { ok: true, observed: { packages: { b: { installed: "2", candidate: "2" } } } },
    ]);
    expect(asked).toHaveLength(1);
    const missing = await packageProvider.observe(
      contextOf((argv) => (argv[0] === "apt-cache" ? { out: "c:\n  Installed: (none)\n  Candidate: 3\n" } : { code: 1 })),
      [wanted("c"), wanted("d", { ensure: "absent" })],
    );
    expect(missing[0]).toEqual({ ok: true, observed: { packages: { c: { installed: null, candidate: "3" } } } });
    expect(argvs().at(-1)).toBe("apt-cache policy -- c");
  });

  test("a dpkg that fails is a failure, not a system without packages", async () => {
    expect(
      await failure(
        packageProvider.observe(
          contextOf(() => ({ code: 2, err: "cannot open the database" })),
          [wanted("a")],
        ),
      ),
    ).toBe("Cannot ask dpkg: exit 2, cannot open the database");
  });

  test("runs without questions, keeps an administrator's files, and waits for a lock", async () => {
    const context = contextOf((_, nth) => (nth < 3 ? { code: 100, err: "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7" } : {}));
    const done = packageProvider.apply(context, install("a", "b"));
    for (let turn = 0; turn < 20; turn++) await base.clock.advance(5_000);
    await done;
    expect(asked).toHaveLength(3);
    expect(argvs()[0]).toEndWith("install --allow-downgrades -- a b");
    expect(argvs()[0]).toContain("--force-confold");
    expect(asked[0]?.env["DEBIAN_FRONTEND"]).toBe("noninteractive");
  });

  test("mends an interrupted dpkg once, and says apt's own words when it cannot go on", async () => {
    const mended = contextOf((argv, nth) =>
      argv[0] === "apt-get" && nth === 1 ? { code: 100, err: "E: dpkg was interrupted, you must manually run 'dpkg --configure -a'" } : {},
    );
    await packageProvider.apply(mended, install("a"));
    expect(argvs()[1]).toContain("--configure -a");
    const broken = contextOf(() => ({ code: 100, err: "W: noise\nE: Unable to locate package nope\n" }));
    expect(await failure(packageProvider.apply(broken, install("nope")))).toBe("Cannot install packages: Unable to locate package nope");
  });

  test("refreshes the sources first when asked, and once for all", async () => {
    await packageProvider.applyTogether?.(
      contextOf(() => ({})),
      [install("a"), { ...install("b"), refresh: true } as PackageStep, { do: "package.remove", reason: "", names: ["c"], purge: true }],
    );
    expect(argvs().map((line) => line.replace(/^apt-get .*Timeout=60 /, ""))).toEqual(["update", "install --allow-downgrades -- a b", "purge -- c"]);
  });
});

describe("systemd", () => {
  const provider = systemdProvider("test");
  const wanted = (name: string) => ({ name, ensure: "running" as const, onWatch: "restart" as const });
  const block = (id: string, load: string): string =>
    `Id=${id}\nNames=${id}\nLoadState=${load}\nActiveState=active\nSubState=running\nUnitFileState=enabled\nNeedDaemonReload=yes\n`;

  test("one question for all units; one that is not answered for is a failure", async () => {
    const seen = await provider.observe(
      contextOf(() => ({ out: [block("a.service", "loaded"), block("b.service", "not-found"), block("bad.service", "bad-setting")].join("\n") })),
      [wanted("a"), wanted("b"), wanted("c"), wanted("bad")],
    );
    expect(seen.map((one) => (one.ok ? one.observed.is : one.fault.message))).toEqual([
      "present",
      "missing",
      "Cannot see c: systemctl did not answer for it",
      "Cannot use bad: systemd says its unit is bad-setting",
    ]);
    expect(asked).toHaveLength(1);
  });

  test("a systemctl that fails is a failure", async () => {
    expect(
      await failure(
        provider.observe(
          contextOf(() => ({ code: 1, err: "Failed to connect to bus" })),
          [wanted("a")],
        ),
      ),
    ).toContain("Cannot ask systemd");
  });
});

describe("accounts", () => {
  test("are read from their files, groups by member", async () => {
    const [ada, nobody] = await userProvider.observe(
      contextOf(() => ({})),
      [
        { name: "ada", ensure: "present", exactGroups: false, createHome: true, system: false, removeHome: false, passwordHash: "$6$x" },
        { name: "eve", ensure: "present", exactGroups: false, createHome: true, system: false, removeHome: false },
      ],
    );
    expect(ada).toEqual({
      ok: true,
      observed: { is: "present", uid: 1000, group: "ada", groups: ["adm", "crew"], home: "/home/ada", shell: "/bin/sh", comment: "Ada", passwordHash: "$6$x" },
    });
    expect(nobody).toEqual({ ok: true, observed: { is: "absent" } });
    expect(asked).toEqual([]);
    expect(
      await groupProvider.observe(
        contextOf(() => ({})),
        [{ name: "crew", ensure: "present", system: false }],
      ),
    ).toEqual([{ ok: true, observed: { is: "present", gid: 50 } }]);
  });

  test("a password hash goes to chpasswd on stdin and into no argv", async () => {
    await userProvider.apply(
      contextOf(() => ({})),
      { do: "user.add", reason: "", name: "eve", system: false, createHome: true, with: { uid: 1001, groups: ["adm"], passwordHash: "$6$canary" } },
    );
    expect(argvs()).toEqual(["useradd --create-home --uid 1001 --groups adm eve", "chpasswd --encrypted"]);
    expect(fromUtf8(asked[1]?.stdin ?? new Uint8Array())).toBe("eve:$6$canary\n");
    expect(JSON.stringify(asked.map(({ argv, env }) => ({ argv, env })))).not.toContain("canary");
  });

  test("a user whose group exists already gets that group; a name that only the name service knows is asked of it once", async () => {
    await userProvider.apply(
      contextOf(() => ({})),
      { do: "user.add", reason: "", name: "crew", system: true, createHome: false, with: {} },
    );
    expect(argvs()).toEqual(["useradd --system --no-create-home --gid crew crew"]);
    asked = [];
    const { accounts } = contextOf((argv) => (argv[1] === "passwd" ? { out: "ldap:x:7000:7000:L:/home/l:/bin/sh\n" } : { code: 2 }));
    await accounts.learn(["ldap", "ldap", "ada", 5, undefined], ["nogroup-here"]);
    expect(argvs()).toEqual(["getent passwd ldap", "getent group nogroup-here"]);
    expect(accounts.uidOf("ldap")).toBe(7000);
    expect(() => accounts.gidOf("nogroup-here")).toThrow("this system has none of that name");
  });
});
