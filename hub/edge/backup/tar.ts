/**
 * A backup as one file: POSIX ustar (IEEE Std 1003.1, pax, "ustar Interchange Format"), so that any tar can look inside. Written and read
 * for our own few names only: a header that is anything but a plain file with an allowed name is damage, so there is no link to follow,
 * no path to leave by, and no size beyond what the manifest says.
 */
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { assert } from "../../../shared/core/assert.ts";
import type { FileHandle } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import { BACKUP_PATH, damaged, MANIFEST_NAME } from "../../core/backup/manifest.ts";
import { makeDirs, readHashed } from "./copy-file.ts";

const BLOCK = 512;
/** Eleven octal digits. */
const SIZE_MAX = 8 ** 11 - 1;
const CHUNK_BYTES = 1024 * 1024;

/** Packs files of `dir` into a new file, fsynced. */
export function packTar({ files }: Pick<World, "files">, dir: string, paths: readonly string[], to: string): void {
  const out = files.open("backup.tar", to, "exclusive", 0o600);
  try {
    for (const path of paths) {
      const size = files.stat("backup.tar", `${dir}/${path}`)?.size ?? 0;
      out.write(header(path, size));
      const read = readHashed(files, "backup.tar", `${dir}/${path}`, (chunk) => out.write(chunk));
      assert(read.size === size, "a file of a backup does not change while it is packed");
      out.write(new Uint8Array(padding(size)));
    }
    out.write(new Uint8Array(2 * BLOCK));
    out.sync();
  } finally {
    out.close();
  }
}

/** Unpacks into `dir`, which must be new and empty. Throws `backup_damaged`. */
export function unpackTar({ files }: Pick<World, "files">, from: string, dir: string): void {
  const input = files.open("restore.tar", from, "read");
  const seen = new Set<string>();
  try {
    for (;;) {
      const block = readExactly(input, BLOCK);
      if (block.every((byte) => byte === 0)) return;
      const { path, size } = parseHeader(block);
      if (seen.has(path)) throw damaged(`it holds ${path} twice`);
      seen.add(path);
      makeDirs(files, "restore.tar", dir, path);
      unpackOne(files.open("restore.tar", `${dir}/${path}`, "exclusive", 0o600), input, size);
    }
  } finally {
    input.close();
  }
}

function unpackOne(out: FileHandle, input: FileHandle, size: number): void {
  try {
    for (let left = size; left > 0; ) {
      const chunk = readExactly(input, Math.min(left, CHUNK_BYTES));
      out.write(chunk);
      left -= chunk.byteLength;
    }
    readExactly(input, padding(size));
    out.sync();
  } finally {
    out.close();
  }
}

const padding = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

function header(path: string, size: number): Uint8Array {
  assert(utf8(path).byteLength <= 100 && size <= SIZE_MAX, "names and sizes of a backup fit a ustar header");
  const block = new Uint8Array(BLOCK);
  const put = (at: number, text: string): void => block.set(utf8(text), at);
  put(0, path);
  put(100, "0000600\0");
  put(108, "0000000\0");
  put(116, "0000000\0");
  put(124, `${size.toString(8).padStart(11, "0")}\0`);
  put(136, "00000000000\0");
  put(148, " ".repeat(8));
  put(156, "0");
  put(257, "ustar\0");
  put(263, "00");
  put(148, `${checksum(block).toString(8).padStart(6, "0")}\0 `);
  return block;
}

function parseHeader(block: Uint8Array): { readonly path: string; readonly size: number } {
  const text = (at: number, length: number): string => fieldText(block.subarray(at, at + length));
  const blank = block.slice();
  blank.fill(0x20, 148, 156);
  const path = text(0, 100);
  const size = /^[0-7]{11}$/.test(text(124, 12)) ? Number.parseInt(text(124, 12), 8) : Number.NaN;
  const isWhole = Number.parseInt(text(148, 7), 8) === checksum(blank) && text(257, 6) === "ustar" && text(345, 155) === "" && text(157, 100) === "";
  if (!isWhole || !Number.isSafeInteger(size)) throw damaged("a header in the archive is not one that felhom writes");
  if (text(156, 1) !== "0" || (path !== MANIFEST_NAME && !BACKUP_PATH.test(path))) throw damaged("the archive holds something that is not part of a backup");
  return { path, size };
}

function fieldText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  try {
    return fromUtf8(end < 0 ? bytes : bytes.subarray(0, end));
  } catch {
    return "\uFFFD"; // matches nothing that is allowed
  }
}

const checksum = (block: Uint8Array): number => block.reduce((sum, byte) => sum + byte, 0);

function readExactly(input: FileHandle, count: number): Uint8Array {
  const bytes = new Uint8Array(count);
  for (let at = 0; at < count; ) {
    const got = input.read(bytes.subarray(at));
    if (got === 0) throw damaged("the archive ends too early");
    at += got;
  }
  return bytes;
}
