import { expect, test } from "bun:test";
import { AUDIT_START, type AuditEntry, type AuditRow, auditHash, verifyAuditChain } from "./audit-chain.ts";

const entry = (n: number): AuditEntry => ({
  at: 1_000 + n,
  actor: "key:abc",
  from: "127.0.0.1",
  action: "grant.create",
  target: `g${n}`,
  outcome: "done",
  data: `{"n":${n}}`,
});

function chain(count: number): AuditRow[] {
  const rows: AuditRow[] = [];
  let previous = AUDIT_START.hash;
  for (let seq = 1; seq <= count; seq += 1) {
    const hash = auditHash(previous, seq, entry(seq));
    rows.push({ ...entry(seq), seq, hash });
    previous = hash;
  }
  return rows;
}

test("a whole chain verifies and names its head", () => {
  const rows = chain(5);
  expect(verifyAuditChain(AUDIT_START, rows)).toEqual({ ok: true, rows: 5, head: { seq: 5, hash: rows[4]?.hash ?? "" } });
  expect(verifyAuditChain(AUDIT_START, [])).toEqual({ ok: true, rows: 0, head: AUDIT_START });
});

test("attack 91: an edit of any field of any row is found at that row", () => {
  const fields: readonly (keyof AuditEntry)[] = ["actor", "from", "action", "target", "outcome", "data"];
  for (const field of fields) {
    const rows = chain(4).map((row) => (row.seq === 2 ? { ...row, [field]: "x" } : row));
    expect(verifyAuditChain(AUDIT_START, rows)).toEqual({ ok: false, rows: 1, brokenSeq: 2, because: "hash" });
  }
  const late = chain(4).map((row) => (row.seq === 3 ? { ...row, at: row.at + 1 } : row));
  expect(verifyAuditChain(AUDIT_START, late)).toMatchObject({ ok: false, brokenSeq: 3 });
});

test("attack 91: a removed, swapped or repeated row is a gap", () => {
  const rows = chain(4);
  expect(
    verifyAuditChain(
      AUDIT_START,
      rows.filter(({ seq }) => seq !== 2),
    ),
  ).toMatchObject({ ok: false, brokenSeq: 3, because: "gap" });
  expect(verifyAuditChain(AUDIT_START, rows.slice(1))).toMatchObject({ ok: false, brokenSeq: 2, because: "gap" });
  expect(verifyAuditChain(AUDIT_START, rows.toReversed())).toMatchObject({ ok: false, because: "gap" });
});

test("text cannot be moved between fields", () => {
  const a = { ...entry(1), actor: "ab", from: "c" };
  const b = { ...entry(1), actor: "a", from: "bc" };
  expect(auditHash(AUDIT_START.hash, 1, a)).not.toBe(auditHash(AUDIT_START.hash, 1, b));
});

test("what is kept after pruning verifies from its anchor", () => {
  const rows = chain(6);
  const last = rows[2];
  expect(verifyAuditChain({ seq: 3, hash: last?.hash ?? "" }, rows.slice(3))).toMatchObject({ ok: true, rows: 3 });
});
