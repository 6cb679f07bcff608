/**
 * A box's log of what it was asked: every op that it ran or refused, who signed it, what came of it. Each entry is one line of JSON
 * that names the hash of the entry before, so that none can be altered, left out or put in later without every hash after it
 * changing. Each final return carries the head, signed: a hub that holds returns can't be shown another history afterwards.
 *
 * An entry's own text is what is hashed; nobody writes it a second time. The agent writes it, `felhom audit verify HOST` compares.
 */
import * as z from "zod/mini";
import { sha256HexOfText } from "../core/sha256.ts";
import { counter, sha256Hex, text, wallMs } from "../protocol/fields.ts";
import { opId } from "../trust/payloads.ts";

export const OP_LOG_ENTRY_CHARS_MAX = 4_096;
/** Before the first entry. */
export const OP_LOG_START = { seq: 0, hash: "0".repeat(64) } as const;

const entrySchema = z.strictObject({
  v: z.literal(1),
  seq: counter,
  at: wallMs,
  /** Null where the signatures did not count: then nothing inside is believed. */
  op: z.nullable(opId),
  sha256: z.nullable(sha256Hex),
  kind: z.nullable(text(64)),
  signers: z.array(text(64)).check(z.maxLength(16)),
  /** `sync`, `file`, `nats`. */
  carrier: text(16),
  outcome: text(16),
  code: z.nullable(text(64)),
  exit: z.nullable(z.int()),
  prev: sha256Hex,
});
export type OpLogEntry = z.infer<typeof entrySchema>;
export type OpLogHead = { readonly seq: number; readonly hash: string };

export interface OpLogLine {
  readonly entry: OpLogEntry;
  readonly text: string;
  readonly hash: string;
}

/** The next line after `head`. The order of the members is fixed here, so that equal entries are equal texts. */
export function opLogLine(head: OpLogHead, what: Omit<OpLogEntry, "v" | "seq" | "prev">): { readonly text: string; readonly head: OpLogHead } {
  const { at, op, sha256, kind, signers, carrier, outcome, code, exit } = what;
  const line = JSON.stringify({ v: 1, seq: head.seq + 1, at, op, sha256, kind, signers, carrier, outcome, code, exit, prev: head.hash });
  return { text: line, head: { seq: head.seq + 1, hash: sha256HexOfText(line) } };
}

/** `undefined` for a text that is no entry. */
export function readOpLogLine(line: string): OpLogLine | undefined {
  if (line.length > OP_LOG_ENTRY_CHARS_MAX) return undefined;
  try {
    const parsed = z.safeParse(entrySchema, JSON.parse(line));
    return parsed.success ? { entry: parsed.data, text: line, hash: sha256HexOfText(line) } : undefined;
  } catch {
    return undefined;
  }
}

export type OpLogVerdict =
  | { readonly ok: true; readonly entries: number; readonly head: OpLogHead }
  | { readonly ok: false; readonly entries: number; readonly brokenSeq: number; readonly because: "unreadable" | "gap" | "hash" };

/** Walks lines in order. `from` is what is known before the first; without it the first line's own `prev` is taken for it. */
export function verifyOpLog(lines: Iterable<string>, from?: OpLogHead): OpLogVerdict {
  let head = from;
  let entries = 0;
  for (const text of lines) {
    const line = readOpLogLine(text);
    if (line === undefined) return { ok: false, entries, brokenSeq: (head?.seq ?? 0) + 1, because: "unreadable" };
    const { seq, prev } = line.entry;
    const before: OpLogHead = head ?? { seq: seq - 1, hash: prev };
    if (seq !== before.seq + 1) return { ok: false, entries, brokenSeq: seq, because: "gap" };
    if (prev !== before.hash) return { ok: false, entries, brokenSeq: seq, because: "hash" };
    head = { seq, hash: line.hash };
    entries += 1;
  }
  return { ok: true, entries, head: head ?? OP_LOG_START };
}
