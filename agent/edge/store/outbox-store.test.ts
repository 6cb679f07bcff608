import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import type { OutboxKind } from "../../core/outbox/outbox.ts";
import { AgentStore } from "./agent-store.ts";
import { readCounter, writeCounter } from "./counters.ts";
import { acknowledge, enqueue, park, spendNumbers, takeBatch, unsentRows } from "./outbox-store.ts";

let world: TestWorld;
let store: AgentStore;
beforeEach(() => {
  world = testWorld();
  store = new AgentStore(world, world.dir);
  store.open();
});
afterEach(() => {
  store.close();
  world.remove();
});

const add = (kind: OutboxKind, body: unknown, bytesMax = 1_000_000) => store.use((database) => enqueue(database, { kind, body }, { bytesMax, nowMs: 0 }));
const batch = (bytesMax = 1_000_000, rowsMax = 100) => store.use((database) => takeBatch(database, bytesMax, rowsMax)).map(({ seq }) => seq);
const ack = (seq: number) => store.use((database) => acknowledge(database, seq));

describe("the outbox", () => {
  test("numbers grow over restarts, also after everything was acknowledged", () => {
    add("report", 1);
    add("report", 2);
    expect(batch()).toEqual([1, 2]);
    ack(2);
    store.close();
    store.open();
    expect(add("report", 3).seq).toBe(3);
  });

  test("an acknowledgement of rows that were never sent from here moves them above it", () => {
    add("report", 1);
    expect(ack(40)).toEqual({ shiftBy: 40, pruned: 0 });
    expect(batch()).toEqual([41]);
    expect(add("report", 2).seq).toBe(42);
  });

  test("rows that were sent and not acknowledged are sent again with the same numbers", () => {
    for (const body of [1, 2, 3]) add("event", body);
    expect(batch(1_000_000, 2)).toEqual([1, 2]);
    ack(1);
    expect(batch()).toEqual([2, 3]);
  });

  test("numbers may be spent with the row; never where nobody knows yet how far the hub has counted", () => {
    const sent = () => store.use((database) => readCounter(database, "sent_seq"));
    add("return", 1);
    store.use(spendNumbers);
    expect(sent()).toBe(0);
    expect(ack(40)).toEqual({ shiftBy: 40, pruned: 0 });
    store.use(spendNumbers);
    expect([sent(), batch()]).toEqual([41, [41]]);
    expect(ack(41)).toEqual({ shiftBy: 0, pruned: 1 });
  });

  test("facts are a state: unsent older ones make way, sent ones do not", () => {
    add("facts", 1);
    expect(add("facts", 2).seq).toBe(2);
    expect(batch()).toEqual([2]);
    add("facts", 3);
    expect(batch()).toEqual([2, 3]);
  });

  test("when it is full, metrics go, returns stay, and the drop is counted", () => {
    for (let at = 0; at < 10; at += 1) add("metrics", "m".repeat(10), 1_000);
    for (let at = 0; at < 20; at += 1) add("return", "r".repeat(100), 1_000);
    const kinds = store.use((database) => database.all<{ kind: string; rows: number }>("test", "SELECT kind, count(*) AS rows FROM outbox GROUP BY kind"));
    expect(kinds).toEqual([{ kind: "return", rows: 20 }]);
    expect(store.use((database) => readCounter(database, "dropped_rows"))).toBe(10);
    expect(add("event", "late", 1_000)).toMatchObject({ seq: undefined });
  });

  test("a result of an op waits for no count of all rows while the file itself is small enough", () => {
    const counted = (bytesMax: number): boolean =>
      store.use((database) => {
        const asked: string[] = [];
        const spy = new Proxy(database, {
          get: (target, name) => {
            const value: unknown = Reflect.get(target, name, target);
            if (typeof value !== "function") return value;
            return (...words: readonly unknown[]): unknown => {
              asked.push(String(words[0]));
              return value.apply(target, words);
            };
          },
        });
        expect(enqueue(spy, { kind: "return", body: 1 }, { bytesMax, nowMs: 0 }).seq).toBeGreaterThan(0);
        return asked.includes("outbox.use");
      });
    expect([counted(1_000_000), counted(1_000)]).toEqual([false, true]);
  });

  test("a row that was set aside is kept and not sent", () => {
    add("report", 1);
    add("report", 2);
    store.use((database) => park(database, 1));
    expect([batch(), store.use(unsentRows)]).toEqual([[2], 1]);
  });
});

describe("a damaged agent.db", () => {
  test("is moved aside at start and begun anew; three damaged ones are kept", () => {
    for (let at = 0; at < 5; at += 1) {
      store.close();
      writeFileSync(`${world.dir}/agent.db`, "damaged ".repeat(2_000));
      world.clock.jumpWall(1_000);
      store.open();
      expect(store.use((database) => readCounter(database, "run"))).toBe(0);
    }
    expect(store.quarantines).toBe(5);
    expect(world.files.list("test", world.dir).filter((name) => /^agent\.db\.damaged-\d+$/.test(name))).toHaveLength(3);
  });

  test("that turns up in the middle of the work is moved aside, and the work is done on a new one", () => {
    store.use((database) => writeCounter(database, "run", 7));
    store.close();
    store.open();
    expect(store.quarantines).toBe(0);
    store.quarantine(new Error("found by a worker"));
    expect(store.use((database) => readCounter(database, "run"))).toBe(0);
    expect(store.quarantines).toBe(1);
  });
});
