import { expect, test } from "bun:test";
import fc from "fast-check";
import { begin, BESIDE_RUNNING_MAX, BESIDE_WAITING_MAX, EMPTY_QUEUE, enter, EXCLUSIVE_WAITING_MAX, isFull, leave, type Queue, startsAtOnce } from "./queue.ts";

type Move = { readonly is: "enter"; readonly exclusive: boolean } | { readonly is: "begin" } | { readonly is: "leave"; readonly pick: number };

test("whatever comes and goes: one exclusive at most, a few beside it, in order, within bounds, each started once", () => {
  const move: fc.Arbitrary<Move> = fc.oneof(
    fc.record({ is: fc.constant("enter" as const), exclusive: fc.boolean() }),
    fc.constant<Move>({ is: "begin" }),
    fc.record({ is: fc.constant("leave" as const), pick: fc.nat() }),
  );
  fc.assert(
    fc.property(fc.array(move, { maxLength: 300 }), (moves) => {
      let queue: Queue = EMPTY_QUEUE;
      const started: string[] = [];
      const entered: string[] = [];
      for (const one of moves) {
        if (one.is === "enter") {
          if (isFull(queue, one.exclusive)) continue;
          const id = `${one.exclusive ? "x" : "r"}${entered.length}`;
          entered.push(id);
          const atOnce = startsAtOnce(queue, one.exclusive);
          queue = enter(queue, id, one.exclusive);
          // What is said of it before it enters is what its turn then says.
          expect(begin(queue).start.includes(id)).toBe(atOnce);
        } else if (one.is === "begin") {
          const next = begin(queue);
          queue = next.queue;
          started.push(...next.start);
        } else {
          const all = [
            ...queue.exclusive.waiting,
            ...queue.beside.waiting,
            ...queue.beside.running,
            ...(queue.exclusive.running === undefined ? [] : [queue.exclusive.running]),
          ];
          const id = all[one.pick % Math.max(1, all.length)];
          if (id !== undefined) queue = leave(queue, id);
        }
        expect(queue.beside.running.length).toBeLessThanOrEqual(BESIDE_RUNNING_MAX);
        expect(queue.beside.waiting.length).toBeLessThanOrEqual(BESIDE_WAITING_MAX);
        expect(queue.exclusive.waiting.length).toBeLessThanOrEqual(EXCLUSIVE_WAITING_MAX);
      }
      expect(new Set(started).size).toBe(started.length);
      const exclusive = started.filter((id) => id.startsWith("x"));
      expect(exclusive).toEqual(entered.filter((id) => exclusive.includes(id)));
    }),
  );
});

test("an exclusive op that waits does not hold up reads, nor they it", () => {
  const busy = begin(enter(enter(EMPTY_QUEUE, "x1", true), "x2", true));
  expect(busy.start).toEqual(["x1"]);
  const beside = begin(enter(busy.queue, "r1", false));
  expect(beside.start).toEqual(["r1"]);
  expect(begin(leave(beside.queue, "x1")).start).toEqual(["x2"]);
});
