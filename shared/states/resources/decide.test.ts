import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { utf8 } from "../../core/bytes.ts";
import { sha256Hex } from "../../core/sha256.ts";
import type { CommandObserved } from "./command.ts";
import { cronText, isSchedule } from "./cron.ts";
import type { LineEdit } from "./line.ts";
import { editedText } from "./line.ts";
import type { ObservedOf, ResourceType, WantedOf } from "./registry.ts";
import { KINDS } from "./registry.ts";

/** The truth tables: what is written, what is seen, what is done and why. One row a line: `do: reason`. */
function steps<T extends ResourceType>(type: T, params: object, observed: ObservedOf<T>, triggered = false): readonly string[] {
  return KINDS[type].decide(wantedOf(type, params), observed, triggered).map((step) => `${step.do}: ${step.reason}`);
}

function wantedOf<T extends ResourceType>(type: T, params: object): WantedOf<T> {
  const { managed, ...written } = { managed: [], ...params };
  const data = KINDS[type].schema.parse(written);
  return { ...(typeof data === "object" ? data : {}), ...(type === "directory" ? { managed } : {}) } as WantedOf<T>;
}

const contentRef = (text: string) => ({ sha256: sha256Hex(utf8(text)), size: utf8(text).byteLength });
const root = { uid: 0, gid: 0, owner: "root", group: "root" };
const fileOf = (text: string, others: object = {}) => ({ target: { is: "file" as const, mode: 0o644, ...contentRef(text), ...root, ...others } });

describe("file", () => {
  const rows: readonly (readonly [string, object, ObservedOf<"file">, readonly string[]])[] = [
    ["absent", { content: "x" }, { target: { is: "absent" } }, ["file.write: it is absent"]],
    ["as wanted", { content: "x", mode: "0644", owner: "root", group: 0 }, fileOf("x"), []],
    ["other content", { content: "x" }, fileOf("y"), ["file.write: its content differs"]],
    ["other length", { content: "x" }, fileOf("xx"), ["file.write: its content differs"]],
    ["other mode", { content: "x", mode: "0600" }, fileOf("x"), ["file.attributes: mode is 0644, 0600 is wanted"]],
    ["other owner", { owner: "www-data", group: 33 }, fileOf("x"), ["file.attributes: owner is root, www-data is wanted; group is root, 33 is wanted"]],
    ["owner without a name", { owner: "root" }, fileOf("x", { uid: 1234, owner: undefined }), ["file.attributes: owner is 1234, root is wanted"]],
    ["mode unset is not managed", { content: "x" }, fileOf("x", { mode: 0o4777 }), []],
    ["content unset is not managed", {}, fileOf("anything"), []],
    ["empty when absent", {}, { target: { is: "absent" } }, ["file.write: it is absent"]],
    ["a link in its place", { content: "x" }, { target: { is: "symlink" } }, ["file.write: a symbolic link is in its place"]],
    ["a directory in its place", { content: "x" }, { target: { is: "directory" } }, ["refuse: a directory is in the place of the file"]],
    ["a device in its place", { content: "x" }, { target: { is: "other" } }, ["refuse: a device, pipe or socket is in the place of the file"]],
    ["to be absent and is", { ensure: "absent" }, { target: { is: "absent" } }, []],
    ["to be absent and is not", { ensure: "absent" }, fileOf("x"), ["file.remove: it is there and is to be absent"]],
    ["a link that is to be absent", { ensure: "absent" }, { target: { is: "symlink" } }, ["file.remove: it is there and is to be absent"]],
    [
      "to be absent and a directory",
      { ensure: "absent" },
      { target: { is: "directory" } },
      ["refuse: a directory is in the place of the file that is to be absent"],
    ],
    ["a source as wanted", { source: "files/a" }, { ...fileOf("x"), source: contentRef("x") }, []],
    ["a source that differs", { source: "files/a" }, { ...fileOf("x"), source: contentRef("y") }, ["file.write: its content differs"]],
    ["a source that the tree lacks", { source: "files/a" }, fileOf("x"), ["refuse: the bundle has no files/a"]],
  ];
  test.each(rows)("%s", (_, params, observed, expected) => {
    expect(steps("file", { path: "/etc/x", ...params }, observed)).toEqual([...expected]);
  });

  test("a write keeps the mode that is not managed and sets the one that is", () => {
    const modeIn = (params: object, observed: ObservedOf<"file">) =>
      KINDS.file.decide(wantedOf("file", { path: "/x", content: "new", ...params }), observed, false).map((step) => ("mode" in step ? step.mode : undefined));
    expect(modeIn({}, fileOf("old", { mode: 0o640 }))).toEqual([0o640]);
    expect(modeIn({ mode: "0400" }, fileOf("old", { mode: 0o640 }))).toEqual([0o400]);
    expect(modeIn({}, { target: { is: "absent" } })).toEqual([0o644]);
  });

  test("a change of owner sets the mode again, because chown clears set-id bits", () => {
    expect(KINDS.file.decide(wantedOf("file", { path: "/x", mode: "4755", owner: "me" }), fileOf("x", { mode: 0o4755 }), false)).toMatchObject([
      { do: "file.attributes", mode: 0o4755, owner: "me" },
    ]);
  });
});

describe("directory", () => {
  const there = (entries: readonly string[] = [], others: object = {}): ObservedOf<"directory"> => ({
    is: "directory",
    mode: 0o755,
    entries,
    ...root,
    ...others,
  });
  const rows: readonly (readonly [string, object, ObservedOf<"directory">, readonly string[]])[] = [
    ["absent", {}, { is: "absent" }, ["directory.make: it is absent"]],
    ["as wanted", { mode: "0755", owner: 0 }, there(["x"]), []],
    ["other mode", { mode: "0700" }, there(), ["directory.attributes: mode is 0755, 0700 is wanted"]],
    ["a file in its place", {}, { is: "file" }, ["refuse: a file is in the place of the directory"]],
    ["a link in its place", {}, { is: "symlink" }, ["refuse: a symlink is in the place of the directory"]],
    ["purges what nobody manages", { purge: true, managed: ["a"], keep: ["b"] }, there(["a", "b", "c", "d"]), ["directory.purge: not managed: c, d"]],
    ["purges nothing else", { purge: true, managed: ["a"], keep: ["b"] }, there(["a", "b"]), []],
    ["to be absent and is", { ensure: "absent" }, { is: "absent" }, []],
    ["to be absent and empty", { ensure: "absent" }, there(), ["directory.remove: it is there and is to be absent"]],
    ["to be absent and full", { ensure: "absent" }, there(["a"]), ["refuse: it is not empty (a) and purge is off"]],
    [
      "to be absent with all in it",
      { ensure: "absent", purge: true },
      there(["a", "b"]),
      ["directory.purge: it is to be absent and holds a, b", "directory.remove: it is there and is to be absent"],
    ],
    [
      "to be absent but holding what is kept",
      { ensure: "absent", purge: true, keep: ["a"] },
      there(["a", "b"]),
      ["refuse: it is to be absent and holds what is to be kept: a"],
    ],
    ["to be absent and a file", { ensure: "absent" }, { is: "file" }, ["refuse: a file is in the place of the directory that is to be absent"]],
    ["names many shortly", { purge: true }, there(["a", "b", "c", "d", "e", "f", "g"]), ["directory.purge: not managed: a, b, c, d, e and 2 more"]],
  ];
  test.each(rows)("%s", (_, params, observed, expected) => {
    expect(steps("directory", { path: "/etc/x", ...params }, observed)).toEqual([...expected]);
  });
});

describe("symlink", () => {
  const rows: readonly (readonly [string, object, ObservedOf<"symlink">, readonly string[]])[] = [
    ["absent", {}, { is: "absent" }, ["symlink.make: it is absent"]],
    ["as wanted", {}, { is: "symlink", target: "b" }, []],
    ["elsewhere", {}, { is: "symlink", target: "c" }, ["symlink.make: it leads to c, b is wanted"]],
    ["a file in its place", {}, { is: "file" }, ["refuse: a file is in its place and replace is off"]],
    ["a file to be replaced", { replace: true }, { is: "file" }, ["symlink.make: a file is in its place"]],
    ["a directory is never replaced", { replace: true }, { is: "directory" }, ["refuse: a directory is in its place"]],
    ["to be absent and is not", { ensure: "absent" }, { is: "symlink", target: "b" }, ["symlink.remove: it is there and is to be absent"]],
    ["to be absent and is", { ensure: "absent" }, { is: "absent" }, []],
    ["to be absent and a file", { ensure: "absent" }, { is: "file" }, ["refuse: not a symbolic link but a file is in its place"]],
  ];
  test.each(rows)("%s", (_, params, observed, expected) => {
    expect(steps("symlink", { path: "/x", target: "b", ...params }, observed)).toEqual([...expected]);
  });
});

describe("line", () => {
  const file = (text: string): ObservedOf<"line"> => ({ is: "file", text });
  const rows: readonly (readonly [string, object, ObservedOf<"line">, readonly string[]])[] = [
    ["there", {}, file("a\nb\n"), []],
    ["absent", {}, file("a\n"), ["line.edit: the line is absent"]],
    ["in another form", { startsWith: "b" }, file("bb\n"), ['line.edit: other lines start with "b"']],
    ["file absent", {}, { is: "absent" }, ["refuse: /x is absent and create is off"]],
    ["file to be made", { create: true }, { is: "absent" }, ["line.edit: the file is absent"]],
    ["a link", {}, { is: "symlink" }, ["refuse: /x is a symbolic link and followSymlinks is off"]],
    ["to be absent and there", { ensure: "absent" }, file("b\n"), ["line.edit: the line is there and is to be absent"]],
    ["to be absent and file absent", { ensure: "absent" }, { is: "absent" }, []],
  ];
  test.each(rows)("%s", (_, params, observed, expected) => {
    expect(steps("line", { name: "x", path: "/x", line: "b", ...params }, observed)).toEqual([...expected]);
  });

  const texts: readonly (readonly [string, Partial<LineEdit>, string])[] = [
    ["", {}, "L\n"],
    ["a", {}, "a\nL\n"],
    ["a\n", {}, "a\nL\n"],
    ["L", {}, "L"],
    ["a\nL\nb", {}, "a\nL\nb"],
    ["P 1\nb\nP 2\n", { startsWith: "P" }, "L\nb\n"],
    ["a\nP 1", { startsWith: "P" }, "a\nL"],
    ["#P 1\n", { startsWith: "P" }, "#P 1\nL\n"],
    ["a\nL\nL\nb\n", { ensure: "absent" }, "a\nb\n"],
    ["L", { ensure: "absent" }, ""],
    ["a\nL", { ensure: "absent" }, "a\n"],
    ["L\na", { ensure: "absent" }, "a"],
    ["P 1\nL\nb\n", { ensure: "absent", startsWith: "P" }, "b\n"],
  ];
  test.each(texts)("%j with %j becomes %j", (text, edit, expected) => {
    expect(editedText(text, { ensure: "present", line: "L", startsWith: undefined, ...edit })).toBe(expected);
  });

  test("an edit done is an edit that changes nothing, and other lines stay", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "#", " ", "\r", "é"), minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(word, fc.constant("")), { maxLength: 6 }),
        fc.boolean(),
        word,
        fc.option(word, { nil: undefined }),
        fc.constantFrom("present" as const, "absent" as const),
        (lines, ends, line, startsWith, ensure) => {
          const text = lines.join("\n") + (ends ? "\n" : "");
          const edit: LineEdit = { ensure, line, startsWith };
          const once = editedText(text, edit);
          expect(editedText(once, edit)).toBe(once);
          const isOther = (one: string) => one !== line && one !== "" && (startsWith === undefined || !one.startsWith(startsWith));
          expect(once.split("\n").filter(isOther)).toEqual(text.split("\n").filter(isOther));
          expect(once.split("\n").includes(line)).toBe(ensure === "present");
        },
      ),
    );
  });
});

describe("command", () => {
  const rows: readonly (readonly [string, object, CommandObserved, boolean, readonly string[]])[] = [
    ["created already", { creates: "/y" }, { created: true }, false, []],
    ["not created yet", { creates: "/y" }, { created: false }, false, ["command.run: nothing is at /y"]],
    ["unless holds", { unless: ["u"] }, { unlessHolds: true }, false, []],
    ["unless does not hold", { unless: ["u"] }, { unlessHolds: false }, false, ["command.run: unless (u) does not hold"]],
    ["onlyIf does not hold", { onlyIf: ["o"] }, { onlyIfHolds: false }, false, []],
    ["onlyIf holds", { onlyIf: ["o"] }, { onlyIfHolds: true }, false, ["command.run: onlyIf (o) holds"]],
    ["all guards must agree", { creates: "/y", unless: ["u"], onlyIf: ["o"] }, { created: false, unlessHolds: false, onlyIfHolds: false }, false, []],
    ["nothing watched has changed", { onChange: true }, {}, false, []],
    ["something watched has changed", { onChange: true }, {}, true, ["command.run: what it watches was changed"]],
    ["changed, but a guard forbids", { onChange: true, creates: "/y" }, { created: true }, true, []],
    ["a guard that was not looked at forbids", { creates: "/y", unless: ["u"] }, {}, false, []],
  ];
  test.each(rows)("%s", (_, params, observed, triggered, expected) => {
    expect(steps("command", { name: "x", argv: ["run"], ...params }, observed, triggered)).toEqual([...expected]);
  });
});

describe("package", () => {
  const seen = (packages: Record<string, readonly [string | null, string | null]>): ObservedOf<"package"> => ({
    packages: Object.fromEntries(Object.entries(packages).map(([name, [installed, candidate]]) => [name, { installed, candidate }])),
  });
  const rows: readonly (readonly [string, object, ObservedOf<"package">, readonly string[]])[] = [
    ["absent", {}, seen({ curl: [null, "8"] }), ["package.install: curl is not installed"]],
    ["present", {}, seen({ curl: ["7", "8"] }), []],
    ["latest is newer", { ensure: "latest" }, seen({ curl: ["7", "8"] }), ["package.install: curl is 7, 8 is the latest"]],
    ["latest is there", { ensure: "latest" }, seen({ curl: ["8", "8"] }), []],
    ["latest unknown to the sources", { ensure: "latest" }, seen({ curl: ["8", null] }), []],
    ["another version", { version: "9" }, seen({ curl: ["8", "8"] }), ["package.install: curl is 8, 9 is wanted"]],
    ["that version", { version: "8" }, seen({ curl: ["8", "9"] }), []],
    ["some of many", { names: ["a1", "b1"] }, seen({ a1: ["1", "1"], b1: [null, null] }), ["package.install: b1 is not installed"]],
    ["to be absent and is", { ensure: "absent" }, seen({ curl: [null, "8"] }), []],
    ["to be absent and is not", { ensure: "absent" }, seen({ curl: ["8", "8"] }), ["package.remove: curl 8 is installed"]],
    ["a name that every object inherits", { names: ["constructor"] }, seen({}), ["package.install: constructor is not installed"]],
  ];
  test.each(rows)("%s", (_, params, observed, expected) => {
    expect(steps("package", { name: "curl", ...params }, observed)).toEqual([...expected]);
  });

  test("sources are read again when one has no candidate", () => {
    expect(KINDS.package.decide(wantedOf("package", { name: "curl" }), seen({ curl: [null, null] }), false)).toMatchObject([{ refresh: true }]);
    expect(KINDS.package.decide(wantedOf("package", { name: "curl" }), seen({ curl: [null, "8"] }), false)).toMatchObject([{ refresh: false }]);
  });
});

describe("service", () => {
  const seen = (running: boolean, boot: "enabled" | "disabled" | "static" | "masked" = "enabled", unitsChanged = false): ObservedOf<"service"> => ({
    is: "present",
    running,
    boot,
    unitsChanged,
  });
  const rows: readonly (readonly [string, object, ObservedOf<"service">, boolean, readonly string[]])[] = [
    ["stopped", { ensure: "running" }, seen(false), false, ["service.start: it is not running"]],
    ["running", { ensure: "running" }, seen(true), false, []],
    ["to be stopped", { ensure: "stopped" }, seen(true), false, ["service.stop: it is running"]],
    ["to be enabled", { enabled: true }, seen(false, "disabled"), false, ["service.enable: it does not start at boot"]],
    ["to be disabled", { enabled: false }, seen(true), false, ["service.disable: it starts at boot"]],
    ["static cannot be enabled", { enabled: true }, seen(true, "static"), false, []],
    ["masked", { ensure: "running" }, seen(false, "masked"), false, ["refuse: x is masked"]],
    ["masked and to be stopped", { ensure: "stopped", enabled: false }, seen(false, "masked"), false, []],
    ["missing", { ensure: "running" }, { is: "missing" }, false, ["refuse: there is no service x"]],
    ["missing and to be stopped", { ensure: "stopped", enabled: false }, { is: "missing" }, false, []],
    ["triggered", { ensure: "running" }, seen(true), true, ["service.restart: what it watches was changed"]],
    ["triggered to reload", { ensure: "running", onWatch: "reload" }, seen(true), true, ["service.reload: what it watches was changed"]],
    ["triggered while stopped starts once", { ensure: "running" }, seen(false), true, ["service.start: it is not running"]],
    ["triggered while to be stopped", { ensure: "stopped" }, seen(true), true, ["service.stop: it is running"]],
    ["triggered, not managed, stopped", {}, seen(false), true, []],
    [
      "unit files changed",
      { ensure: "running" },
      seen(true, "enabled", true),
      true,
      ["service.reload-units: unit files were changed", "service.restart: what it watches was changed"],
    ],
    ["unit files changed and nothing to do", { ensure: "running" }, seen(true, "enabled", true), false, []],
  ];
  test.each(rows)("%s", (_, params, observed, triggered, expected) => {
    expect(steps("service", { name: "x", ...params }, observed, triggered)).toEqual([...expected]);
  });
});

describe("user and group", () => {
  const seen = (others: object = {}): ObservedOf<"user"> => ({
    is: "present",
    uid: 1000,
    group: "me",
    groups: ["adm", "sudo"],
    home: "/home/me",
    shell: "/bin/sh",
    comment: "",
    passwordHash: "!",
    ...others,
  });
  const rows: readonly (readonly [string, object, ObservedOf<"user">, readonly string[]])[] = [
    ["absent", {}, { is: "absent" }, ["user.add: they are absent"]],
    ["as wanted", { uid: 1000, group: "me", groups: ["sudo"], home: "/home/me", shell: "/bin/sh", comment: "" }, seen(), []],
    [
      "other shell and home",
      { shell: "/bin/bash", home: "/srv" },
      seen(),
      ['user.modify: home is "/home/me", "/srv" is wanted; shell is "/bin/sh", "/bin/bash" is wanted'],
    ],
    ["one group more", { groups: ["docker"] }, seen(), ["user.modify: not in docker"]],
    ["exactly these groups", { groups: ["docker", "sudo"], exactGroups: true }, seen(), ["user.modify: not in docker and in adm"]],
    ["no groups at all", { exactGroups: true }, seen(), ["user.modify: in adm, sudo"]],
    ["other password", { passwordHash: "$6$salt$hashhash" }, seen(), ["user.modify: password differs"]],
    ["a password that cannot be read", { passwordHash: "$6$salt$hashhash" }, seen({ passwordHash: null }), []],
    ["to be absent", { ensure: "absent" }, seen(), ["user.remove: they are there and are to be absent"]],
    ["to be absent and is", { ensure: "absent" }, { is: "absent" }, []],
  ];
  test.each(rows)("%s", (_, params, observed, expected) => {
    expect(steps("user", { name: "me", ...params }, observed)).toEqual([...expected]);
  });

  test("a reason never shows a password", () => {
    expect(steps("user", { name: "me", passwordHash: "$6$salt$hashhash" }, seen()).join()).not.toContain("hashhash");
  });

  test.each([
    ["absent", {}, { is: "absent" as const }, ["group.add: it is absent"]],
    ["as wanted", { gid: 5 }, { is: "present" as const, gid: 5 }, []],
    ["other number", { gid: 5 }, { is: "present" as const, gid: 6 }, ["group.modify: gid is 6, 5 is wanted"]],
    ["to be absent", { ensure: "absent" }, { is: "present" as const, gid: 6 }, ["group.remove: it is there and is to be absent"]],
  ])("group: %s", (_, params, observed, expected) => {
    expect(steps("group", { name: "me", ...params }, observed)).toEqual(expected);
  });
});

describe("cron", () => {
  const job = { name: "x", schedule: "5 4 * * *", argv: ["run", "it's 100%"] };
  const text = cronText(wantedOf("cron", job));

  test("the file quotes for sh and escapes what cron would read as a line's end", () => {
    expect(cronText(wantedOf("cron", { ...job, env: { A: "b" } }))).toBe(
      "# Kept by felhom: cron/x. Changes made here are undone.\nA=\"b\"\n5 4 * * * root run 'it'\\''s 100\\%'\n",
    );
  });

  const rows: readonly (readonly [string, object, ObservedOf<"cron">, readonly string[]])[] = [
    ["absent", {}, { is: "absent" }, ["cron.write: it is absent"]],
    ["as wanted", {}, { is: "file", text, mode: 0o644, uid: 0 }, []],
    ["another job", {}, { is: "file", text: `${text}#`, mode: 0o644, uid: 0 }, ["cron.write: the job differs"]],
    ["a mode that cron refuses", {}, { is: "file", text, mode: 0o666, uid: 0 }, ["cron.write: cron ignores its file: mode or owner is wrong"]],
    ["an owner that cron refuses", {}, { is: "file", text, mode: 0o644, uid: 5 }, ["cron.write: cron ignores its file: mode or owner is wrong"]],
    ["a link", {}, { is: "symlink" }, ["refuse: /etc/cron.d/felhom-x is not a regular file"]],
    ["to be absent", { ensure: "absent" }, { is: "file", text, mode: 0o644, uid: 0 }, ["cron.remove: it is there and is to be absent"]],
  ];
  test.each(rows)("%s", (_, params, observed, expected) => {
    expect(steps("cron", { ...job, ...params }, observed)).toEqual([...expected]);
  });

  test.each(["* * * * *", "*/5 0-6 1,15 * mon-fri", "@daily", "0 0 1 jan sun"])("%s is a schedule", (schedule) => expect(isSchedule(schedule)).toBe(true));
  test.each(["* * * *", "* * * * * *", "@sometimes", "a b c d e", "*  * * * *", "5 4 * * * root", "* * * * *\n* * * * * root rm", "-1 * * * *"])(
    "%j is none",
    (schedule) => expect(isSchedule(schedule)).toBe(false),
  );
});
