import { expect, test } from "bun:test";
import { opLogLine, OP_LOG_START, type OpLogHead } from "../../../shared/ops/op-log.ts";
import { checkOpLog, type SignedHead } from "./op-log-check.ts";

function log(length: number): { readonly texts: readonly string[]; readonly heads: readonly OpLogHead[] } {
  const texts: string[] = [];
  const heads: OpLogHead[] = [OP_LOG_START];
  for (let at = 1; at <= length; at += 1) {
    const what = { at: 1_000 + at, op: null, sha256: null, kind: "ping", signers: [], carrier: "sync", outcome: "done", code: null, exit: null };
    const { text, head } = opLogLine(heads.at(-1) ?? OP_LOG_START, what);
    texts.push(text);
    heads.push(head);
  }
  return { texts, heads };
}

const signed = (head: OpLogHead | undefined): SignedHead => ({ ...(head ?? OP_LOG_START), from: "an answer" });

test("a copy is whole, and proven as far as the box signed", () => {
  const { texts, heads } = log(5);
  expect(checkOpLog(texts, [])).toMatchObject({ is: "whole", entries: 5, first: 1, proven: 0 });
  expect(checkOpLog(texts, [signed(heads[2]), signed(heads[5])])).toMatchObject({ is: "whole", proven: 5 });
  expect(checkOpLog([], [])).toMatchObject({ is: "whole", entries: 0 });
});

test("an entry left out, changed, or a history that the box did not sign is named", () => {
  const { texts, heads } = log(5);
  const other = log(6);
  const missing = texts.filter((_, at) => at !== 2);
  expect(checkOpLog(missing, [])).toMatchObject({ is: "broken", atSeq: 4, because: "gap" });
  expect(checkOpLog(texts.with(2, (texts[2] ?? "").replace("ping", "pong")), [])).toMatchObject({ is: "broken", atSeq: 4, because: "hash" });
  expect(checkOpLog(texts.with(2, "{"), [])).toMatchObject({ is: "broken", because: "unreadable" });
  expect(checkOpLog(texts.slice(0, 3), [signed(heads[5])])).toMatchObject({ is: "shortened", headSeq: 3, signedSeq: 5 });
  expect(checkOpLog([], [signed(heads[1])])).toMatchObject({ is: "shortened", headSeq: 0, signedSeq: 1 });
  const forged = { seq: 4, hash: "f".repeat(64), from: "the answer to o-x" };
  expect(checkOpLog(other.texts, [forged])).toMatchObject({ is: "rewritten", atSeq: 4, from: "the answer to o-x" });
});

test("what was pruned is below the first entry, and the first entry still names it", () => {
  const { texts, heads } = log(6);
  const kept = texts.slice(3);
  expect(checkOpLog(kept, [signed(heads[1]), signed(heads[3]), signed(heads[6])])).toMatchObject({ is: "whole", first: 4, entries: 3, proven: 6 });
  expect(checkOpLog(kept, [{ seq: 3, hash: "0".repeat(64), from: "x" }])).toMatchObject({ is: "rewritten", atSeq: 3 });
});
