import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { utf8 } from "../../core/bytes.ts";
import { sha256Hex } from "../../core/sha256.ts";
import { isAbsolutePath } from "./fields.ts";
import { editedText } from "./line.ts";
import type { ObservedOf, ResourceType, WantedOf } from "./registry.ts";
import { KINDS } from "./registry.ts";

function wantedOf<T extends ResourceType>(type: T, params: object): WantedOf<T> {
  const { managed, ...written } = { managed: [], ...params };
  const data = KINDS[type].schema.parse(written);
  return { ...(typeof data === "object" ? data : {}), ...(type === "directory" ? { managed } : {}) } as WantedOf<T>;
}

const contentRef = (text: string) => ({ sha256: sha256Hex(utf8(text)), size: utf8(text).byteLength });

describe("doing what was decided leaves nothing to decide", () => {
  const mode = fc.option(fc.constantFrom("0644", "0600", "4755"), { nil: undefined });
  const owner = fc.option(fc.constantFrom<string | number>("root", "me", 0, 7), { nil: undefined });
  const ids: Readonly<Record<string, number>> = { root: 0, me: 7 };
  const nameOf = (id: number) => (id === 0 ? "root" : id === 7 ? "me" : undefined);
  const idOf = (principal: string | number | undefined, now: number) =>
    principal === undefined ? now : typeof principal === "number" ? principal : (ids[principal] ?? now);
  const owned = (uid: number, gid: number) => ({
    uid,
    gid,
    ...(nameOf(uid) === undefined ? {} : { owner: nameOf(uid) ?? "" }),
    ...(nameOf(gid) === undefined ? {} : { group: nameOf(gid) ?? "" }),
  });
  const isSettled = <T extends ResourceType>(
    type: T,
    wanted: WantedOf<T>,
    effect: (seen: ObservedOf<T>, step: ReturnType<(typeof KINDS)[T]["decide"]>[number]) => ObservedOf<T>,
    seen: ObservedOf<T>,
  ) => {
    const done = KINDS[type].decide(wanted, seen, false);
    if (done.some((step) => step.do === "refuse")) return;
    expect(KINDS[type].decide(wanted, done.reduce<ObservedOf<T>>(effect, seen), false)).toEqual([]);
  };

  test("file", () => {
    const target = fc.oneof(
      fc.constantFrom<ObservedOf<"file">["target"]>({ is: "absent" }, { is: "symlink" }, { is: "directory" }),
      fc
        .record({ text: fc.constantFrom("x", "y", ""), mode: fc.constantFrom(0o644, 0o600), uid: fc.constantFrom(0, 7, 9), gid: fc.constantFrom(0, 7) })
        .map(({ text, mode: bits, uid, gid }): ObservedOf<"file">["target"] => ({ is: "file", mode: bits, ...contentRef(text), ...owned(uid, gid) })),
    );
    fc.assert(
      fc.property(
        fc.record({
          ensure: fc.constantFrom("present", "absent"),
          mode,
          owner,
          group: owner,
          content: fc.option(fc.constantFrom("x", "z"), { nil: undefined }),
        }),
        target,
        ({ ensure, content, ...rest }, seen) => {
          const wanted = wantedOf("file", { path: "/x", ensure, ...rest, ...(ensure === "absent" ? {} : { content }) });
          isSettled(
            "file",
            wanted,
            ({ target: now }, step) => {
              switch (step.do) {
                case "file.write":
                  return {
                    target: {
                      is: "file",
                      mode: step.mode,
                      ...(step.content.from === "inline"
                        ? contentRef(step.content.text)
                        : now.is === "file"
                          ? { sha256: now.sha256, size: now.size }
                          : contentRef("")),
                      ...owned(idOf(step.owner, 0), idOf(step.group, 0)),
                    },
                  };
                case "file.attributes":
                  return now.is === "file"
                    ? { target: { ...now, mode: step.mode ?? now.mode, ...owned(idOf(step.owner, now.uid), idOf(step.group, now.gid)) } }
                    : { target: now };
                default:
                  return { target: { is: "absent" } };
              }
            },
            { target: seen },
          );
        },
      ),
    );
  });

  test("directory", () => {
    const seen = fc.oneof(
      fc.constant<ObservedOf<"directory">>({ is: "absent" }),
      fc
        .record({ mode: fc.constantFrom(0o755, 0o700), entries: fc.subarray(["a", "b", "c"]) })
        .map(({ mode: bits, entries }): ObservedOf<"directory"> => ({ is: "directory", mode: bits, entries, ...owned(0, 0) })),
    );
    fc.assert(
      fc.property(
        fc.record({ ensure: fc.constantFrom("present", "absent"), mode, owner, purge: fc.boolean(), keep: fc.subarray(["a"]) }),
        seen,
        (params, before) => {
          isSettled(
            "directory",
            wantedOf("directory", { path: "/etc/x", ...params, managed: ["b"] }),
            (now, step) => {
              if (step.do === "directory.make") return { is: "directory", mode: step.mode, entries: [], ...owned(idOf(step.owner, 0), 0) };
              if (step.do === "directory.remove" || now.is !== "directory") return { is: "absent" };
              if (step.do === "directory.purge") return { ...now, entries: now.entries.filter((name) => !step.names.includes(name)) };
              return step.do === "directory.attributes" ? { ...now, mode: step.mode ?? now.mode, ...owned(idOf(step.owner, now.uid), now.gid) } : now;
            },
            before,
          );
        },
      ),
    );
  });

  test("line", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("present", "absent"),
        fc.constantFrom(undefined, "a", "b"),
        fc.boolean(),
        fc.oneof(
          fc.constant(undefined),
          fc.array(fc.constantFrom("a", "ab", "b", "")).map((lines) => lines.join("\n")),
        ),
        (ensure, startsWith, create, text) => {
          isSettled(
            "line",
            wantedOf("line", { name: "x", path: "/x", line: "ab", ensure, startsWith, create }),
            (now, step) => (step.do === "line.edit" ? { is: "file", text: editedText(now.is === "file" ? now.text : "", step.edit) } : now),
            text === undefined ? { is: "absent" } : { is: "file", text },
          );
        },
      ),
    );
  });

  test("user", () => {
    const names = fc.subarray(["adm", "docker", "sudo"]);
    const seen = fc.oneof(
      fc.constant<ObservedOf<"user">>({ is: "absent" }),
      names.map((groups): ObservedOf<"user"> => ({ is: "present", uid: 5, group: "g", groups, home: "/h", shell: "/s", comment: "", passwordHash: "!" })),
    );
    fc.assert(
      fc.property(
        fc.record({
          ensure: fc.constantFrom("present", "absent"),
          uid: fc.option(fc.constantFrom(5, 6), { nil: undefined }),
          groups: fc.option(names, { nil: undefined }),
          exactGroups: fc.boolean(),
          shell: fc.option(fc.constantFrom("/s", "/t"), { nil: undefined }),
          passwordHash: fc.option(fc.constantFrom("!", "*"), { nil: undefined }),
        }),
        seen,
        (params, before) => {
          isSettled(
            "user",
            wantedOf("user", { name: "me", ...params }),
            (now, step) => {
              const blank = { is: "present" as const, uid: 1, group: "me", groups: [], home: "/home/me", shell: "/bin/sh", comment: "", passwordHash: "!" };
              if (step.do === "user.add") return { ...blank, ...step.with, groups: [...(step.with.groups ?? [])].sort() };
              return step.do === "user.modify" && now.is === "present" ? { ...now, ...step.changes } : { is: "absent" };
            },
            before,
          );
        },
      ),
    );
  });

  test("service", () => {
    const seen = fc
      .record({
        running: fc.boolean(),
        boot: fc.constantFrom("enabled" as const, "disabled" as const, "static" as const, "masked" as const),
        unitsChanged: fc.boolean(),
      })
      .map((one): ObservedOf<"service"> => ({ is: "present", ...one }));
    fc.assert(
      fc.property(
        fc.record({ ensure: fc.constantFrom(undefined, "running", "stopped"), enabled: fc.constantFrom(undefined, true, false) }),
        seen,
        (params, before) => {
          isSettled(
            "service",
            wantedOf("service", { name: "x", ...params }),
            (now, step) => {
              if (now.is !== "present") return now;
              switch (step.do) {
                case "service.start":
                case "service.restart":
                  return { ...now, running: true };
                case "service.stop":
                  return { ...now, running: false };
                case "service.enable":
                  return { ...now, boot: "enabled" };
                case "service.disable":
                  return { ...now, boot: "disabled" };
                default:
                  return { ...now, unitsChanged: false };
              }
            },
            before,
          );
        },
      ),
    );
  });

  test("package, symlink, group, cron", () => {
    const versions = fc.constantFrom(null, "1", "2");
    fc.assert(
      fc.property(fc.constantFrom("present", "absent", "latest"), versions, versions, (ensure, installed, candidate) => {
        isSettled(
          "package",
          wantedOf("package", { name: "curl", ensure }),
          ({ packages }, step) => ({
            packages: {
              curl: { candidate: packages["curl"]?.candidate ?? null, installed: step.do === "package.remove" ? null : (packages["curl"]?.candidate ?? "1") },
            },
          }),
          { packages: { curl: { installed, candidate } } },
        );
      }),
    );
    fc.assert(
      fc.property(
        fc.constantFrom("present", "absent"),
        fc.boolean(),
        fc.constantFrom<ObservedOf<"symlink">>({ is: "absent" }, { is: "symlink", target: "x" }, { is: "symlink", target: "y" }, { is: "file" }),
        (ensure, replace, seen) => {
          isSettled(
            "symlink",
            wantedOf("symlink", { path: "/l", target: "x", ensure, replace }),
            (_, step) => (step.do === "symlink.make" ? { is: "symlink", target: step.target } : { is: "absent" }),
            seen,
          );
        },
      ),
    );
    fc.assert(
      fc.property(
        fc.constantFrom("present", "absent"),
        fc.constantFrom(undefined, 5),
        fc.constantFrom<ObservedOf<"group">>({ is: "absent" }, { is: "present", gid: 5 }, { is: "present", gid: 6 }),
        (ensure, gid, seen) => {
          isSettled(
            "group",
            wantedOf("group", { name: "me", ensure, gid }),
            (_, step) => (step.do === "group.remove" ? { is: "absent" } : { is: "present", gid: step.gid ?? 9 }),
            seen,
          );
        },
      ),
    );
    fc.assert(
      fc.property(
        fc.constantFrom("present", "absent"),
        fc.constantFrom<ObservedOf<"cron">>({ is: "absent" }, { is: "file", text: "x", mode: 0, uid: 3 }),
        (ensure, seen) => {
          isSettled(
            "cron",
            wantedOf("cron", { name: "x", schedule: "@daily", argv: ["a"], ensure }),
            (_, step) => (step.do === "cron.write" ? { is: "file", text: step.text, mode: 0o644, uid: 0 } : { is: "absent" }),
            seen,
          );
        },
      ),
    );
  });
});

describe("fields under attack (faults.md 35 to 37)", () => {
  const NAUGHTY = [
    "",
    "/",
    "//",
    "/a/",
    "/a//b",
    "/a/./b",
    "/a/../b",
    "a",
    "./a",
    "/a\0b",
    "/a\nb",
    "/a\u202eb",
    "/a\u0085b",
    "~/a",
    "%2e%2e/a",
    "..\\..\\a",
    `/${"a".repeat(300)}`,
    "/a/..",
    "/..",
  ];

  test("only absolute, normal, one-line paths are paths", () => {
    expect(NAUGHTY.filter(isAbsolutePath)).toEqual(["/", `/${"a".repeat(300)}`]);
    expect(NAUGHTY.filter((path) => KINDS.file.schema.safeParse({ path }).success)).toEqual(["/"]);
  });

  test("any text is taken as it is or refused, never changed, and in no time", () => {
    const start = performance.now();
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: "binary", maxLength: 60 }),
          fc.constantFrom(
            ...NAUGHTY,
            "a".repeat(100_000),
            `${"a.".repeat(50_000)}!`,
            "/a".repeat(20_000),
            "'; DROP TABLE",
            "$(reboot)",
            "`id`",
            "🏳️‍🌈",
            "﷽",
            "İ",
          ),
        ),
        (text) => {
          for (const type of ["line", "command", "cron", "user", "group", "service", "package", "symlink"] as const) {
            const parsed = KINDS[type].schema.safeParse({
              name: text,
              path: text,
              target: text,
              line: text,
              argv: [text],
              onChange: true,
              schedule: text,
              comment: text,
              version: text,
            });
            if (parsed.success) expect(JSON.stringify(parsed.data)).toContain(JSON.stringify(text).slice(1, -1));
          }
          const content = KINDS.file.schema.safeParse({ path: "/x", content: text });
          expect(content.success && content.data).toMatchObject({ content: text });
        },
      ),
      { numRuns: 300 },
    );
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe("the quick way to read a file's params", () => {
  test("takes only what the schema takes, and gives the same", () => {
    const field = fc.oneof(
      fc.constantFrom<unknown>(
        "present",
        "absent",
        "root",
        "me",
        "0644",
        "644",
        "64",
        "/a",
        "/a/../b",
        "a",
        true,
        false,
        null,
        undefined,
        0,
        5,
        {},
        [],
        "files/x",
      ),
      fc.string({ maxLength: 4 }),
    );
    const params = fc.dictionary(
      fc.constantFrom("path", "ensure", "content", "source", "template", "mode", "owner", "group", "backup", "followSymlinks", "other"),
      field,
    );
    let taken = 0;
    fc.assert(
      fc.property(params, fc.boolean(), (given, isLikely) => {
        const whole: Record<string, unknown> = isLikely ? { ...given, path: "/etc/x", content: "text" } : given;
        const quick = KINDS.file.quick?.(whole);
        if (quick === undefined) return;
        taken++;
        expect(JSON.stringify(quick)).toBe(JSON.stringify(KINDS.file.schema.parse(whole)));
      }),
      { numRuns: 5_000 },
    );
    expect(taken).toBeGreaterThan(20);
  });
});
