import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { fits, makeRoom, type OutboxKind, type OutboxUse, pickBatch, settleAck } from "./outbox.ts";

const KINDS = ["return", "op-log", "report", "facts", "event", "metrics"] as const satisfies readonly OutboxKind[];
const use = (bytes: Partial<Record<OutboxKind, number>>): readonly OutboxUse[] => KINDS.map((kind) => ({ kind, rows: 1, bytes: bytes[kind] ?? 0 }));

describe("room in a full outbox", () => {
  test("metrics give way first, then events, facts, reports", () => {
    const full = use({ return: 500, report: 300, facts: 50, event: 100, metrics: 50 });
    expect(makeRoom(full, { kind: "return", bytes: 400 }, 1_000)).toEqual([
      { drop: "metrics", bytes: 50 },
      { drop: "event", bytes: 100 },
      { drop: "facts", bytes: 50 },
      { drop: "report", bytes: 200 },
    ]);
  });

  test("a kind above its own share yields to itself, oldest first", () => {
    expect(makeRoom(use({ metrics: 120 }), { kind: "metrics", bytes: 20 }, 1_000)).toEqual([{ drop: "metrics", bytes: 15 }]);
  });

  test("what is worth less never pushes out what is worth more", () => {
    const reports = use({ return: 700, report: 300 });
    expect(makeRoom(reports, { kind: "metrics", bytes: 10 }, 1_000)).toEqual([]);
    expect(fits(reports, { kind: "metrics", bytes: 10 }, 1_000)).toBe(false);
  });

  test("a return is never dropped and always enters", () => {
    const amount = fc.nat(2_000);
    fc.assert(
      fc.property(
        fc.record({ return: amount, "op-log": amount, report: amount, facts: amount, event: amount, metrics: amount }),
        fc.constantFrom(...KINDS),
        amount,
        (bytes, kind, incoming) => {
          const yields = makeRoom(use(bytes), { kind, bytes: incoming }, 1_000);
          expect(yields.some(({ drop }) => drop === "return" || drop === "op-log")).toBe(false);
          const left = { ...bytes };
          for (const { drop, bytes: given } of yields) {
            expect(given).toBeLessThanOrEqual(left[drop]);
            left[drop] -= given;
          }
          if (kind === "return" || kind === "op-log") expect(fits(use(left), { kind, bytes: incoming }, 1_000)).toBe(true);
          if (fits(use(left), { kind, bytes: incoming }, 1_000) && kind !== "return" && kind !== "op-log")
            expect(Object.values(left).reduce((a, b) => a + b, 0) + incoming).toBeLessThanOrEqual(1_000);
        },
      ),
    );
  });
});

describe("a batch", () => {
  const rows = (...sizes: readonly number[]) => sizes.map((bytes, at) => ({ seq: at + 1, bytes }));
  test("is the longest prefix that fits", () => expect(pickBatch(rows(40, 40, 40), 100, 10).map(({ seq }) => seq)).toEqual([1, 2]));
  test("never skips a row to take a smaller one behind it", () => expect(pickBatch(rows(40, 90, 10), 100, 10).map(({ seq }) => seq)).toEqual([1]));
  test("takes a row that is too large alone", () => expect(pickBatch(rows(900, 10), 100, 10).map(({ seq }) => seq)).toEqual([1]));
  test("has no more rows than asked for", () => expect(pickBatch(rows(1, 1, 1), 100, 2)).toHaveLength(2));
});

describe("an acknowledgement", () => {
  test("prunes what was sent", () => expect(settleAck({ next: 10, sent: 9 }, 7)).toEqual({ prune: 7, shiftBy: 0, sequence: { next: 10, sent: 9 } }));
  test("above all that was ever sent from here means an older copy: unsent rows move above it", () => {
    expect(settleAck({ next: 6, sent: 3 }, 20)).toEqual({ prune: 3, shiftBy: 17, sequence: { next: 23, sent: 20 } });
  });
  test("after it, no unsent row has a number the hub knows", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.nat(1_000), fc.nat(5_000), (sent, more, acked) => {
        const { shiftBy, sequence } = settleAck({ next: sent + more + 1, sent }, acked);
        const firstUnsent = sent + 1 + shiftBy;
        if (shiftBy > 0) expect(firstUnsent).toBeGreaterThan(acked);
        expect(sequence.next - 1 - sequence.sent).toBe(more);
      }),
    );
  });
});
