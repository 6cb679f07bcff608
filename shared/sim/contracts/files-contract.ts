import { describe, expect, test } from "bun:test";
import { fromUtf8, utf8 } from "../../core/bytes.ts";
import { isFault } from "../../core/fault.ts";
import type { Crypto } from "../../ports/crypto.ts";
import type { Files } from "../../ports/files.ts";
import { durableWrite } from "../../edge/durable-write.ts";

export interface FilesUnderTest {
  readonly files: Files;
  readonly crypto: Crypto;
  /** A fresh, empty directory. */
  readonly dir: string;
}

const WHOLE = { bytesMax: 1_000_000 } as const;

export function codeOf(body: () => unknown): string | undefined {
  try {
    body();
    return undefined;
  } catch (error) {
    return isFault(error) ? error.code : String(error);
  }
}

/** What every `Files` promises. */
export function filesContract(name: string, make: () => FilesUnderTest): void {
  const put = ({ files }: FilesUnderTest, path: string, text: string): void => {
    const handle = files.open("test", path, "exclusive");
    handle.write(utf8(text));
    handle.close();
  };

  describe(`files: ${name}`, () => {
    test("what was written is read back, sizes and modes included", () => {
      const box = make();
      put(box, `${box.dir}/a`, "hello");
      expect(fromUtf8(box.files.read("test", `${box.dir}/a`, WHOLE))).toBe("hello");
      expect(box.files.stat("test", `${box.dir}/a`)).toMatchObject({ kind: "file", size: 5, mode: 0o600, links: 1 });
    });

    test("absence is undefined to stat, a fault to everything else", () => {
      const { files, dir } = make();
      expect(files.stat("test", `${dir}/none`)).toBeUndefined();
      expect(files.stat("test", `${dir}/none/below`)).toBeUndefined();
      const none = `${dir}/none`;
      const calls = [
        () => files.read("test", none, WHOLE),
        () => files.list("test", none),
        () => files.open("test", none, "read"),
        () => files.openDir("test", none),
        () => files.rename("test", none, `${dir}/other`),
        () => files.removeDir("test", none),
        () => files.readLink("test", none),
        () => files.chmod("test", none, 0o600),
        () => files.makeDir("test", `${none}/below`, 0o700),
        () => files.open("test", `${none}/below`, "exclusive"),
      ];
      expect(calls.map(codeOf)).toEqual(calls.map(() => "file_missing"));
      expect(files.remove("test", none)).toBe(false);
    });

    test("exclusive never opens what is there", () => {
      const box = make();
      put(box, `${box.dir}/a`, "hello");
      box.files.symlink("test", "nowhere", `${box.dir}/dangling`);
      expect(codeOf(() => box.files.open("test", `${box.dir}/a`, "exclusive"))).toBe("file_exists");
      expect(codeOf(() => box.files.open("test", `${box.dir}/dangling`, "exclusive"))).toBe("file_exists");
      expect(codeOf(() => box.files.makeDir("test", `${box.dir}/a`, 0o700))).toBe("file_exists");
    });

    test("a symlink in the last component is not followed unless asked", () => {
      const box = make();
      put(box, `${box.dir}/real`, "hello");
      box.files.symlink("test", "real", `${box.dir}/link`);
      const link = `${box.dir}/link`;
      expect(codeOf(() => box.files.read("test", link, WHOLE))).toBe("file_not_regular");
      expect(codeOf(() => box.files.open("test", link, "read"))).toBe("file_not_regular");
      expect(codeOf(() => box.files.open("test", link, "append"))).toBe("file_not_regular");
      expect(fromUtf8(box.files.read("test", link, { ...WHOLE, follow: true }))).toBe("hello");
      expect(box.files.stat("test", link)?.kind).toBe("symlink");
      expect(box.files.stat("test", link, { follow: true })).toMatchObject({ kind: "file", size: 5 });
      expect(box.files.readLink("test", link)).toBe("real");
      box.files.makeDir("test", `${box.dir}/sub`, 0o700);
      box.files.symlink("test", "sub", `${box.dir}/sublink`);
      expect(codeOf(() => box.files.openDir("test", `${box.dir}/sublink`))).toMatch(/file_not_regular|file_missing/);
    });

    test("a symlink on the way is followed", () => {
      const box = make();
      box.files.makeDir("test", `${box.dir}/sub`, 0o700);
      box.files.symlink("test", `${box.dir}/sub`, `${box.dir}/way`);
      put(box, `${box.dir}/way/a`, "hello");
      expect(fromUtf8(box.files.read("test", `${box.dir}/sub/a`, WHOLE))).toBe("hello");
    });

    test("a directory is no file", () => {
      const { files, dir } = make();
      expect(codeOf(() => files.read("test", dir, WHOLE))).toBe("file_not_regular");
      expect(codeOf(() => files.open("test", dir, "read"))).toBe("file_not_regular");
    });

    test("a read stops at its bound", () => {
      const box = make();
      put(box, `${box.dir}/a`, "12345");
      expect(codeOf(() => box.files.read("test", `${box.dir}/a`, { bytesMax: 4 }))).toBe("file_too_large");
      expect(box.files.read("test", `${box.dir}/a`, { bytesMax: 5 })).toHaveLength(5);
    });

    test("names are listed in order of code units", () => {
      const box = make();
      for (const entry of ["b", "a", "Z", "10", "9", "é"]) put(box, `${box.dir}/${entry}`, "");
      expect(box.files.list("test", box.dir)).toEqual(["10", "9", "Z", "a", "b", "é"]);
    });

    test("rename replaces a file, and moves a directory with what is in it", () => {
      const box = make();
      put(box, `${box.dir}/a`, "new");
      put(box, `${box.dir}/b`, "old");
      box.files.rename("test", `${box.dir}/a`, `${box.dir}/b`);
      expect(fromUtf8(box.files.read("test", `${box.dir}/b`, WHOLE))).toBe("new");
      box.files.makeDir("test", `${box.dir}/d`, 0o750);
      put(box, `${box.dir}/d/x`, "in");
      box.files.rename("test", `${box.dir}/d`, `${box.dir}/e`);
      expect(fromUtf8(box.files.read("test", `${box.dir}/e/x`, WHOLE))).toBe("in");
      expect(box.files.list("test", box.dir)).toEqual(["b", "e"]);
    });

    test("a directory that is not empty is neither removed nor replaced", () => {
      const box = make();
      box.files.makeDir("test", `${box.dir}/d`, 0o700);
      box.files.makeDir("test", `${box.dir}/e`, 0o700);
      put(box, `${box.dir}/d/x`, "in");
      expect(codeOf(() => box.files.removeDir("test", `${box.dir}/d`))).toBe("file_exists");
      expect(codeOf(() => box.files.rename("test", `${box.dir}/e`, `${box.dir}/d`))).toBe("file_exists");
      expect(box.files.remove("test", `${box.dir}/d/x`)).toBe(true);
      box.files.removeDir("test", `${box.dir}/d`);
      expect(box.files.list("test", box.dir)).toEqual(["e"]);
    });

    test("append adds at the end and creates when absent", () => {
      const { files, dir } = make();
      for (const text of ["one", "two"]) {
        const handle = files.open("test", `${dir}/log`, "append", 0o600);
        handle.write(utf8(text));
        handle.sync();
        handle.close();
      }
      expect(fromUtf8(files.read("test", `${dir}/log`, WHOLE))).toBe("onetwo");
    });

    test("a handle reads in chunks to the end", () => {
      const box = make();
      put(box, `${box.dir}/a`, "12345");
      const handle = box.files.open("test", `${box.dir}/a`, "read");
      const into = new Uint8Array(3);
      expect([handle.read(into), handle.read(into), handle.read(into)]).toEqual([3, 2, 0]);
      handle.close();
      handle.close();
    });

    test("a directory handle keeps naming its directory while the name moves", () => {
      const box = make();
      box.files.makeDir("test", `${box.dir}/d`, 0o700);
      const handle = box.files.openDir("test", `${box.dir}/d`);
      box.files.rename("test", `${box.dir}/d`, `${box.dir}/moved`);
      put(box, `${handle.path}/x`, "in");
      handle.sync();
      handle.close();
      expect(box.files.list("test", `${box.dir}/moved`)).toEqual(["x"]);
    });

    test("a file keeps its inode across a rename, a new one has another", () => {
      const box = make();
      put(box, `${box.dir}/a`, "1");
      put(box, `${box.dir}/b`, "1");
      const before = box.files.stat("test", `${box.dir}/a`);
      box.files.rename("test", `${box.dir}/a`, `${box.dir}/c`);
      expect(box.files.stat("test", `${box.dir}/c`)?.inode).toBe(before?.inode ?? -1);
      expect(box.files.stat("test", `${box.dir}/b`)?.inode).not.toBe(before?.inode ?? -1);
    });

    test("modes are set whatever the umask", () => {
      const box = make();
      box.files.makeDir("test", `${box.dir}/d`, 0o777);
      expect(box.files.stat("test", `${box.dir}/d`)?.mode).toBe(0o777);
      box.files.open("test", `${box.dir}/x`, "exclusive", 0o666).close();
      expect(box.files.stat("test", `${box.dir}/x`)?.mode).toBe(0o666);
      box.files.chmod("test", `${box.dir}/x`, 0o4755);
      expect(box.files.stat("test", `${box.dir}/x`)?.mode).toBe(0o4755);
    });

    test("a durable write is there, whole, with its mode", () => {
      const box = make();
      durableWrite(box.files, box.crypto, "test.write", `${box.dir}/a`, utf8("one"), { mode: 0o600 });
      durableWrite(box.files, box.crypto, "test.write", `${box.dir}/a`, utf8("two"), { mode: 0o644 });
      expect(fromUtf8(box.files.read("test", `${box.dir}/a`, WHOLE))).toBe("two");
      expect(box.files.stat("test", `${box.dir}/a`)?.mode).toBe(0o644);
      expect(box.files.list("test", box.dir)).toEqual(["a"]);
    });

    test("a lock is held once and free after its release", () => {
      const { files, dir } = make();
      const lock = files.lock("test", `${dir}/lock`);
      expect(codeOf(() => files.lock("test", `${dir}/lock`))).toBe("lock_held");
      lock.release();
      lock.release();
      files.lock("test", `${dir}/lock`).release();
    });

    test("there is free space", () => {
      const { files, dir } = make();
      expect(files.freeBytes("test", dir)).toBeGreaterThan(0);
    });
  });
}
