/** Files as root against whoever shares the machine: faults.md section 3, attacks 37–44, on the real file system. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { isFault } from "../../../shared/core/fault.ts";
import type { Files } from "../../../shared/ports/files.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import type { FileStep, FileWanted } from "../../../shared/states/resources/file.ts";
import { KINDS } from "../../../shared/states/resources/registry.ts";
import { Accounts } from "./accounts.ts";
import { directoryProvider } from "./directory.ts";
import { fileProvider } from "./file.ts";
import { ParentDirs } from "./parent-dirs.ts";
import type { ProviderContext } from "./provider.ts";
import { Stages } from "./stages.ts";
import { symlinkProvider } from "./symlink.ts";

const isRoot = process.getuid?.() === 0;
const MALLORY = 65_534;

let world: TestWorld;
let dir: string;

beforeEach(() => {
  world = testWorld();
  dir = world.dir;
});
afterEach(() => world.remove());

function contextOf(files: Files = world.files): ProviderContext {
  const given = { ...world, files };
  return { world: given, parents: new ParentDirs(files, world.self), accounts: new Accounts(given), treeDir: `${dir}/tree`, stages: new Stages(given) };
}

const wantedFile = (path: string, more: Partial<FileWanted> = {}): FileWanted => ({
  path,
  ensure: "present",
  content: "wanted\n",
  backup: false,
  followSymlinks: false,
  ...more,
});
const writing = (path: string, more: Partial<Extract<FileStep, { do: "file.write" }>> = {}): FileStep => ({
  do: "file.write",
  reason: "test",
  path,
  content: { from: "inline", text: "wanted\n" },
  mode: 0o644,
  owner: undefined,
  group: undefined,
  backup: false,
  followSymlinks: false,
  ...more,
});

async function codeOf(body: () => Promise<unknown>): Promise<string> {
  try {
    await body();
    return "done";
  } catch (error) {
    return isFault(error) ? error.code : `unexpected ${String(error)}`;
  }
}

async function observeCode(wanted: FileWanted, context = contextOf()): Promise<string> {
  const [seen] = await fileProvider.observe(context, [wanted]);
  return seen === undefined ? "nothing" : seen.ok ? seen.observed.target.is : seen.fault.code;
}

describe("attack 37: names that leave their place", () => {
  test("a path with .. or without an entry's name is refused by the provider too, whatever the schema let through", async () => {
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/..`)))).toBe("file_unsafe");
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing("/")))).toBe("file_unsafe");
  });

  test("a purge is given names, never paths", async () => {
    mkdirSync(`${dir}/conf.d`);
    writeFileSync(`${dir}/outside`, "keep");
    for (const name of ["../outside", "..", ".", "a/b", ""]) {
      expect(await codeOf(() => directoryProvider.apply(contextOf(), { do: "directory.purge", reason: "test", path: `${dir}/conf.d`, names: [name] }))).toBe(
        "file_unsafe",
      );
    }
    expect(existsSync(`${dir}/outside`)).toBe(true);
  });

  test("schemas refuse what is not a plain absolute path", () => {
    for (const path of ["relative", "/a/../b", "/a//b", "/a/", "/a\0b", "/a\nb", "//x", "/a/./b"]) {
      expect(KINDS.file.schema.safeParse({ path, content: "x" }).success).toBe(false);
    }
  });
});

describe("attack 38: links planted at the target or on the way", () => {
  test("a link at the target is replaced, never followed", async () => {
    writeFileSync(`${dir}/shadow`, "secret");
    symlinkSync(`${dir}/shadow`, `${dir}/motd`);
    await fileProvider.apply(contextOf(), writing(`${dir}/motd`));
    expect(readFileSync(`${dir}/shadow`, "utf8")).toBe("secret");
    expect(lstatSync(`${dir}/motd`).isFile()).toBe(true);
    expect(readFileSync(`${dir}/motd`, "utf8")).toBe("wanted\n");
  });

  test("a link of ours on the way is followed, and the file lands behind it", async () => {
    mkdirSync(`${dir}/real`);
    symlinkSync("real", `${dir}/way`);
    await fileProvider.apply(contextOf(), writing(`${dir}/way/motd`));
    expect(readFileSync(`${dir}/real/motd`, "utf8")).toBe("wanted\n");
  });

  test.skipIf(!isRoot)("a link that another user owns is refused, at observing already, unless followSymlinks (needs root)", async () => {
    mkdirSync(`${dir}/etc`);
    symlinkSync(`${dir}/etc`, `${dir}/way`);
    world.files.chown("test", `${dir}/way`, MALLORY, MALLORY);
    expect(await observeCode(wantedFile(`${dir}/way/motd`))).toBe("file_unsafe");
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/way/motd`)))).toBe("file_unsafe");
    expect(readdirSync(`${dir}/etc`)).toEqual([]);
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/way/motd`, { followSymlinks: true })))).toBe("done");
  });

  test.skipIf(!isRoot)("a directory that another user owns or may write is refused, unless the file is given to that user (needs root)", async () => {
    mkdirSync(`${dir}/home`);
    chownSync(`${dir}/home`, MALLORY, MALLORY);
    expect(await observeCode(wantedFile(`${dir}/home/.profile`))).toBe("file_unsafe");
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/home/.profile`)))).toBe("file_unsafe");
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/home/.profile`, { owner: MALLORY })))).toBe("done");
    expect(statSync(`${dir}/home/.profile`).uid).toBe(MALLORY);
    mkdirSync(`${dir}/open`);
    chmodSync(`${dir}/open`, 0o777);
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/open/motd`)))).toBe("file_unsafe");
    mkdirSync(`${dir}/staff`);
    chownSync(`${dir}/staff`, 0, MALLORY);
    chmodSync(`${dir}/staff`, 0o775);
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/staff/motd`)))).toBe("file_unsafe");
  });

  test.skipIf(!isRoot)("in a sticky directory it is the entry's owner that counts (needs root)", async () => {
    mkdirSync(`${dir}/tmp`);
    chmodSync(`${dir}/tmp`, 0o1777);
    writeFileSync(`${dir}/tmp/planted`, "mine");
    chownSync(`${dir}/tmp/planted`, MALLORY, MALLORY);
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/tmp/planted`)))).toBe("file_unsafe");
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/tmp/new`)))).toBe("done");
    mkdirSync(`${dir}/tmp/sub`);
    chownSync(`${dir}/tmp/sub`, MALLORY, MALLORY);
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/tmp/sub/new`)))).toBe("file_unsafe");
  });

  test("a parent that is swapped for a link between the look and the write does not turn the write", async () => {
    mkdirSync(`${dir}/conf`);
    mkdirSync(`${dir}/etc`);
    // The attacker acts at the worst moment: right before the staged file is opened.
    const racing: Files = {
      ...world.files,
      open(op, path, how, mode) {
        if (how === "exclusive") {
          renameSync(`${dir}/conf`, `${dir}/conf-moved`);
          symlinkSync(`${dir}/etc`, `${dir}/conf`);
        }
        return world.files.open(op, path, how, mode);
      },
    };
    expect(await codeOf(() => fileProvider.apply(contextOf(racing), writing(`${dir}/conf/motd`)))).toBe("done");
    expect(readdirSync(`${dir}/etc`)).toEqual([]);
    expect(readdirSync(`${dir}/conf-moved`)).toEqual(["motd"]);
  });

  test("a target that is swapped for a link right before the rename is replaced, not followed", async () => {
    writeFileSync(`${dir}/shadow`, "secret");
    const racing: Files = {
      ...world.files,
      rename(op, from, to) {
        symlinkSync(`${dir}/shadow`, `${dir}/motd`);
        world.files.rename(op, from, to);
      },
    };
    expect(await codeOf(() => fileProvider.apply(contextOf(racing), writing(`${dir}/motd`)))).toBe("done");
    expect(readFileSync(`${dir}/shadow`, "utf8")).toBe("secret");
    expect(readFileSync(`${dir}/motd`, "utf8")).toBe("wanted\n");
  });

  test("a hard link to somebody's file is cut, not written through: neither content nor mode reach the other name", async () => {
    writeFileSync(`${dir}/shadow`, "secret", { mode: 0o600 });
    linkSync(`${dir}/shadow`, `${dir}/motd`);
    await fileProvider.apply(contextOf(), {
      do: "file.attributes",
      reason: "test",
      path: `${dir}/motd`,
      mode: 0o644,
      owner: undefined,
      group: undefined,
      followSymlinks: false,
    });
    expect(statSync(`${dir}/shadow`).mode & 0o777).toBe(0o600);
    expect(statSync(`${dir}/motd`).mode & 0o777).toBe(0o644);
    rmSync(`${dir}/motd`);
    linkSync(`${dir}/shadow`, `${dir}/motd`);
    await fileProvider.apply(contextOf(), writing(`${dir}/motd`));
    expect(readFileSync(`${dir}/shadow`, "utf8")).toBe("secret");
  });

  test.skipIf(!isRoot)("a hard link in somebody's own directory is not even copied: its bytes would be theirs to read (needs root)", async () => {
    writeFileSync(`${dir}/shadow`, "secret", { mode: 0o600 });
    mkdirSync(`${dir}/home`);
    linkSync(`${dir}/shadow`, `${dir}/home/.profile`);
    chownSync(`${dir}/home`, MALLORY, MALLORY);
    const step: FileStep = {
      do: "file.attributes",
      reason: "test",
      path: `${dir}/home/.profile`,
      mode: 0o644,
      owner: MALLORY,
      group: undefined,
      followSymlinks: false,
    };
    expect(await codeOf(() => fileProvider.apply(contextOf(), step))).toBe("file_unsafe");
    expect(statSync(`${dir}/shadow`)).toMatchObject({ uid: 0, nlink: 2 });
    expect(statSync(`${dir}/home/.profile`).mode & 0o777).toBe(0o600);
  });

  test("a new directory that is swapped for another before it is given away is not given away", async () => {
    mkdirSync(`${dir}/victim`, { mode: 0o700 });
    writeFileSync(`${dir}/victim/file`, "");
    const racing: Files = {
      ...world.files,
      openDir(op, path) {
        if (path.endsWith("/new")) {
          renameSync(`${dir}/new`, `${dir}/away`);
          renameSync(`${dir}/victim`, `${dir}/new`);
        }
        return world.files.openDir(op, path);
      },
    };
    const step = { do: "directory.make", reason: "test", path: `${dir}/new`, mode: 0o777, owner: undefined, group: undefined, parents: false } as const;
    expect(await codeOf(() => directoryProvider.apply(contextOf(racing), step))).toBe("file_unsafe");
    expect(statSync(`${dir}/new`).mode & 0o777).toBe(0o700);
  });

  test("attributes of a link are never set through it", async () => {
    writeFileSync(`${dir}/shadow`, "secret", { mode: 0o600 });
    symlinkSync(`${dir}/shadow`, `${dir}/motd`);
    expect(
      await codeOf(() =>
        fileProvider.apply(contextOf(), {
          do: "file.attributes",
          reason: "test",
          path: `${dir}/motd`,
          mode: 0o666,
          owner: undefined,
          group: undefined,
          followSymlinks: false,
        }),
      ),
    ).toBe("file_not_regular");
    expect(statSync(`${dir}/shadow`).mode & 0o777).toBe(0o600);
  });

  test("the attributes of a directory are set on the one that was opened", async () => {
    mkdirSync(`${dir}/victim`, { mode: 0o700 });
    symlinkSync(`${dir}/victim`, `${dir}/srv`);
    expect(
      await codeOf(() =>
        directoryProvider.apply(contextOf(), {
          do: "directory.attributes",
          reason: "test",
          path: `${dir}/srv`,
          mode: 0o777,
          owner: undefined,
          group: undefined,
        }),
      ),
    ).not.toBe("done");
    expect(statSync(`${dir}/victim`).mode & 0o777).toBe(0o700);
  });

  test("a loop of links ends in a refusal", async () => {
    symlinkSync(`${dir}/b`, `${dir}/a`);
    symlinkSync(`${dir}/a`, `${dir}/b`);
    expect(await observeCode(wantedFile(`${dir}/a/motd`))).toBe("file_unsafe");
    expect(await observeCode(wantedFile(`${dir}/a`, { followSymlinks: true }))).toBe("file_unsafe");
  });
});

describe("attack 38: a purge stays in its directory", () => {
  const purge = (path: string, names: readonly string[], files?: Files): Promise<string> =>
    codeOf(() => directoryProvider.apply(contextOf(files), { do: "directory.purge", reason: "test", path, names }));

  test("links in it are removed themselves, at any depth", async () => {
    mkdirSync(`${dir}/conf.d/deep`, { recursive: true });
    mkdirSync(`${dir}/outside`);
    writeFileSync(`${dir}/outside/keep`, "keep");
    symlinkSync(`${dir}/outside`, `${dir}/conf.d/link`);
    symlinkSync(`${dir}/outside`, `${dir}/conf.d/deep/link`);
    expect(await purge(`${dir}/conf.d`, ["link", "deep"])).toBe("done");
    expect(readdirSync(`${dir}/conf.d`)).toEqual([]);
    expect(readFileSync(`${dir}/outside/keep`, "utf8")).toBe("keep");
  });

  test("a directory that is swapped for a link while it is emptied does not lead out", async () => {
    mkdirSync(`${dir}/conf.d/old`, { recursive: true });
    writeFileSync(`${dir}/conf.d/old/keep`, "inside");
    mkdirSync(`${dir}/outside`);
    writeFileSync(`${dir}/outside/keep`, "keep");
    const racing: Files = {
      ...world.files,
      list(op, path) {
        const names = world.files.list(op, path);
        if (existsSync(`${dir}/conf.d/old/keep`) && names.includes("keep")) {
          renameSync(`${dir}/conf.d/old`, `${dir}/conf.d/moved`);
          symlinkSync(`${dir}/outside`, `${dir}/conf.d/old`);
        }
        return names;
      },
    };
    await purge(`${dir}/conf.d`, ["old"], racing);
    expect(readFileSync(`${dir}/outside/keep`, "utf8")).toBe("keep");
  });

  test("a link in the directory's own place is refused", async () => {
    mkdirSync(`${dir}/outside`);
    writeFileSync(`${dir}/outside/keep`, "keep");
    symlinkSync(`${dir}/outside`, `${dir}/conf.d`);
    expect(await purge(`${dir}/conf.d`, ["keep"])).not.toBe("done");
    expect(existsSync(`${dir}/outside/keep`)).toBe(true);
  });

  test("a mounted file system is not entered", async () => {
    mkdirSync(`${dir}/conf.d/mnt`, { recursive: true });
    writeFileSync(`${dir}/conf.d/mnt/keep`, "keep");
    const mounted: Files = {
      ...world.files,
      read: (op, path, options) =>
        path === "/proc/self/mountinfo"
          ? new TextEncoder().encode(`36 25 8:1 / ${dir}/conf.d/mnt rw - ext4 /dev/sda1 rw\n`)
          : world.files.read(op, path, options),
    };
    expect(await purge(`${dir}/conf.d`, ["mnt"], mounted)).toBe("file_unsafe");
    expect(existsSync(`${dir}/conf.d/mnt/keep`)).toBe(true);
  });
});

describe("attack 39: what is not a regular file", () => {
  test("a pipe at the target neither blocks nor is written", async () => {
    Bun.spawnSync(["mkfifo", `${dir}/motd`]);
    expect(await observeCode(wantedFile(`${dir}/motd`))).toBe("other");
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/motd`)))).toBe("file_not_regular");
    const [seen] = await fileProvider.observe(contextOf(), [wantedFile(`${dir}/motd`)]);
    if (seen?.ok !== true) throw new Error("it was not seen");
    expect(KINDS.file.decide(wantedFile(`${dir}/motd`), seen.observed, false)).toEqual([
      { do: "refuse", reason: "a device, pipe or socket is in the place of the file" },
    ]);
  });

  test("a device and a directory are refused", async () => {
    expect(await observeCode(wantedFile("/dev/null"))).toBe("other");
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing("/dev/null")))).toBe("file_not_regular");
    mkdirSync(`${dir}/motd`);
    expect(await codeOf(() => fileProvider.apply(contextOf(), writing(`${dir}/motd`)))).toBe("file_not_regular");
  });

  test("a pipe that takes a file's place between lstat and open is an error, not a wait", async () => {
    writeFileSync(`${dir}/motd`, "old");
    const racing: Files = {
      ...world.files,
      open(op, path, how, mode) {
        rmSync(`${dir}/motd`, { force: true });
        Bun.spawnSync(["mkfifo", `${dir}/motd`]);
        return world.files.open(op, path, how, mode);
      },
    };
    expect(await observeCode(wantedFile(`${dir}/motd`), contextOf(racing))).toBe("file_not_regular");
  });
});

describe("attacks 41–44: modes, owners and names", () => {
  test("a file is never visible with a wider mode or another owner than wanted", async () => {
    const modes: number[] = [];
    const watching: Files = {
      ...world.files,
      rename(op, from, to) {
        modes.push(statSync(from).mode & 0o7777);
        world.files.rename(op, from, to);
      },
    };
    const before = process.umask(0);
    try {
      await fileProvider.apply(contextOf(watching), writing(`${dir}/key`, { mode: 0o600 }));
      await fileProvider.apply(contextOf(watching), writing(`${dir}/tool`, { mode: 0o4755 }));
    } finally {
      process.umask(before);
    }
    expect(modes).toEqual([0o600, 0o4755]);
    expect(statSync(`${dir}/tool`).mode & 0o7777).toBe(0o4755);
  });

  test("a backup loses its set-id bits and keeps its mode", async () => {
    writeFileSync(`${dir}/tool`, "old");
    chmodSync(`${dir}/tool`, 0o4750);
    await fileProvider.apply(contextOf(), writing(`${dir}/tool`, { backup: true, mode: 0o4750 }));
    expect(readFileSync(`${dir}/tool.felhom-backup`, "utf8")).toBe("old");
    expect(statSync(`${dir}/tool.felhom-backup`).mode & 0o7777).toBe(0o750);
  });

  test("staged names cannot be guessed and do not stay", async () => {
    const staged: string[] = [];
    const watching: Files = {
      ...world.files,
      rename(op, from, to) {
        staged.push(from.slice(from.lastIndexOf("/") + 1));
        world.files.rename(op, from, to);
      },
    };
    for (const name of ["a", "b"]) await fileProvider.apply(contextOf(watching), writing(`${dir}/${name}`));
    expect(new Set(staged).size).toBe(2);
    for (const name of staged) expect(name).toMatch(/^\.felhom-staged-[0-9a-f]{8}-\d+-\d+-[0-9a-f]{24}$/);
    expect(readdirSync(dir).sort()).toEqual(["a", "b"]);
  });

  test("a failed write leaves the old file and no stage; what a kill left is swept by the next write", async () => {
    writeFileSync(`${dir}/motd`, "old");
    const mine = new Stages(world).name().split("-").slice(0, 3).join("-");
    // Of a process that is none any more.
    writeFileSync(`${dir}/${mine}-999999999-1-${"0".repeat(24)}`, "left by a kill");
    const failing: Files = {
      ...world.files,
      rename() {
        throw new Error("no");
      },
    };
    await codeOf(() => fileProvider.apply(contextOf(failing), writing(`${dir}/motd`)));
    expect(readdirSync(dir)).toEqual(["motd"]);
    expect(readFileSync(`${dir}/motd`, "utf8")).toBe("old");
  });

  test("a full disk is noticed before anything is written", async () => {
    const full: Files = { ...world.files, freeBytes: () => 1_000 };
    expect(await codeOf(() => fileProvider.apply(contextOf(full), writing(`${dir}/motd`)))).toBe("disk_full");
    expect(readdirSync(dir)).toEqual([]);
  });

  test("a link is made by name and renamed, and never replaces a directory", async () => {
    mkdirSync(`${dir}/there`);
    expect(await codeOf(() => symlinkProvider.apply(contextOf(), { do: "symlink.make", reason: "test", path: `${dir}/there`, target: "/etc" }))).toBe(
      "file_not_regular",
    );
    expect(await codeOf(() => symlinkProvider.apply(contextOf(), { do: "symlink.make", reason: "test", path: `${dir}/link`, target: "there" }))).toBe("done");
    expect(readdirSync(dir).sort()).toEqual(["link", "there"]);
  });
});

test("no content, old or new, is ever in a log line", async () => {
  writeFileSync(`${dir}/motd`, "old canary");
  await fileProvider.apply(contextOf(), writing(`${dir}/motd`, { content: { from: "inline", text: "new canary" } }));
  expect(JSON.stringify(world.logged)).not.toContain("canary");
});
