/** Every byte that a process holds in memory and every byte of a directory, searched for secrets in every spelling that felhom writes. */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { createHash } from "node:crypto";
import { join } from "node:path";

const PAGE = 4_096;
const CHUNK = 256 * PAGE;
const PRESENT_OR_SWAPPED = 0xc0;
/** An occurrence may begin at the end of one chunk. */
const OVERLAP = 128;

export interface Secret {
  readonly name: string;
  readonly seed: Uint8Array;
}

interface Needle {
  readonly name: string;
  readonly bytes: Buffer;
}

export interface Scan {
  readonly bytes: number;
  readonly found: readonly string[];
}

/** The seed itself, as text, and what Ed25519 makes of it before it signs. */
function needlesOf(secrets: readonly Secret[]): readonly Needle[] {
  return secrets.flatMap(({ name, seed }) => {
    const raw = Buffer.from(seed);
    const expanded = createHash("sha512").update(raw).digest().subarray(0, 32);
    const clamped = Buffer.from(expanded);
    clamped[0] = (clamped[0] ?? 0) & 248;
    clamped[31] = ((clamped[31] ?? 0) & 63) | 64;
    const texts = [raw.toString("hex"), raw.toString("base64").replace(/=+$/, ""), raw.toString("base64url")];
    return [raw, expanded, clamped, ...texts.flatMap((text) => [Buffer.from(text), Buffer.from(text, "utf16le")])].map((bytes) => ({ name, bytes }));
  });
}

const findIn = (chunk: Buffer, needles: readonly Needle[], found: Set<string>): void => {
  for (const { name, bytes } of needles) if (chunk.includes(bytes)) found.add(name);
};

export function scanProcess(pid: number, secrets: readonly Secret[]): Scan {
  const needles = needlesOf(secrets);
  const found = new Set<string>();
  const [mem, pagemap] = [openSync(`/proc/${pid}/mem`, "r"), openSync(`/proc/${pid}/pagemap`, "r")];
  const chunk = Buffer.alloc(CHUNK + OVERLAP);
  const present = Buffer.alloc((CHUNK / PAGE) * 8);
  let total = 0;
  try {
    for (const line of readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
      const [, from = "0", to = "0", read] = /^([0-9a-f]+)-([0-9a-f]+) (.)/.exec(line) ?? [];
      if (read !== "r" || /\[(?:vvar|vsyscall)/.test(line)) continue;
      const end = Number.parseInt(to, 16);
      for (let at = Number.parseInt(from, 16); at < end; at += CHUNK) {
        const pages = readSync(pagemap, present, 0, Math.ceil(Math.min(CHUNK, end - at) / PAGE) * 8, (at / PAGE) * 8) / 8;
        if (!Array.from({ length: pages }, (_, page) => present[page * 8 + 7] ?? 0).some((flags) => (flags & PRESENT_OR_SWAPPED) !== 0)) continue;
        const length = Math.min(CHUNK + OVERLAP, end - at);
        const got = readMemory(mem, chunk, length, at);
        total += got;
        findIn(chunk.subarray(0, got), needles, found);
      }
    }
  } finally {
    closeSync(mem);
    closeSync(pagemap);
  }
  return { bytes: total, found: [...found].sort() };
}

/** A page may go away while it is looked at. */
function readMemory(mem: number, into: Buffer, length: number, at: number): number {
  try {
    return readSync(mem, into, 0, length, at);
  } catch {
    return 0;
  }
}

export function scanDir(dir: string, secrets: readonly Secret[]): Scan {
  const needles = needlesOf(secrets);
  const found = new Set<string>();
  let bytes = 0;
  for (const entry of readdirSync(dir, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const content = readFileSync(join(entry.parentPath, entry.name));
    bytes += content.byteLength;
    findIn(content, needles, found);
  }
  return { bytes, found: [...found].sort() };
}
