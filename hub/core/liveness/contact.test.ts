import { expect, test } from "bun:test";
import fc from "fast-check";
import { type Contact, decideContact, listeningSince, silentMs } from "./contact.ts";
import { type Linked, Recency } from "./recency.ts";

const LIMITS = { staleMs: 180_000, downMs: 600_000, checkMs: 15_000 };

test.each<[Contact, number, Contact]>([
  ["never", 0, "never"],
  ["never", 10_000_000, "never"],
  ["up", 0, "up"],
  ["up", 179_999, "up"],
  ["up", 180_000, "stale"],
  ["up", 599_999, "stale"],
  ["up", 600_000, "down"],
  ["stale", 0, "stale"],
  ["stale", 599_999, "stale"],
  ["stale", 600_000, "down"],
  ["down", 0, "down"],
])("%s and silent for %d ms is %s", (contact, silent, becomes) => {
  expect(decideContact(contact, silent, LIMITS)).toBe(becomes);
});

test("silence counts from when the hub itself began to listen", () => {
  expect(silentMs(0, 500_000, 600_000)).toBe(100_000);
  expect(silentMs(550_000, 500_000, 600_000)).toBe(50_000);
  expect(silentMs(700_000, 500_000, 600_000)).toBe(0);
});

test("a check that comes late begins the listening anew", () => {
  expect(listeningSince(1_000, 20_000, 35_000, LIMITS)).toBe(1_000);
  expect(listeningSince(1_000, 20_000, 50_000, LIMITS)).toBe(1_000);
  expect(listeningSince(1_000, 20_000, 50_001, LIMITS)).toBe(50_001);
});

interface Node extends Linked<Node> {
  readonly name: number;
}

test("the list is always the order of the last push, whatever was pushed and removed", () => {
  fc.assert(
    fc.property(fc.array(fc.record({ node: fc.nat({ max: 7 }), push: fc.boolean(), other: fc.boolean() }), { maxLength: 200 }), (steps) => {
      const nodes: Node[] = Array.from({ length: 8 }, (_, name) => ({ name, heardBefore: undefined, heardAfter: undefined, inList: undefined }));
      const lists = [new Recency<Node>(), new Recency<Node>()] as const;
      const model: [number[], number[]] = [[], []];
      for (const { node: name, push, other } of steps) {
        const node = nodes[name];
        if (node === undefined) continue;
        const at = other ? 1 : 0;
        if (push) {
          for (const order of model) if (order.includes(name)) order.splice(order.indexOf(name), 1);
          model[at].push(name);
          lists[at].push(node);
        } else {
          if (model[at].includes(name)) model[at].splice(model[at].indexOf(name), 1);
          lists[at].remove(node);
        }
      }
      lists.forEach((list, at) => {
        const order: number[] = [];
        for (let node = list.first; node !== undefined; node = node.heardAfter) order.push(node.name);
        expect(order).toEqual(model[at === 0 ? 0 : 1]);
        expect(list.size).toBe(order.length);
      });
    }),
  );
});
