import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { orderResources } from "./graph.ts";
import type { Resource } from "./resource.ts";

function group(name: string, require: readonly string[] = [], watch: readonly string[] = []): Resource {
  return {
    id: `group/${name}`,
    type: "group",
    name,
    params: { name, ensure: "present", system: false },
    require,
    watch,
    onFail: "continue",
    sensitive: false,
    from: `x.yaml:${name}`,
  };
}

/** Edges only lead to lower numbers, so there is an order; the list is then shuffled. */
const acyclic = fc
  .integer({ min: 1, max: 30 })
  .chain((count) =>
    fc.tuple(
      ...Array.from({ length: count }, (_, at) =>
        fc.tuple(
          fc.subarray(
            Array.from({ length: at }, (__, lower) => lower),
            { maxLength: Math.min(3, at) },
          ),
          fc.boolean(),
        ),
      ),
    ),
  )
  .map((needs) =>
    needs.map(([lower, watches], at) =>
      group(String(at), watches ? [] : lower.map((one) => `group/${one}`), watches ? lower.map((one) => `group/${one}`) : []),
    ),
  )
  .chain((resources) => fc.shuffledSubarray(resources, { minLength: resources.length }));

describe("the graph", () => {
  test("keeps all, puts needs first, and moves nothing without a reason", () => {
    fc.assert(
      fc.property(acyclic, (declared) => {
        const ordered = orderResources(declared, new Set());
        if (!ordered.ok) throw new Error(ordered.faults[0]?.message);
        const ids = ordered.resources.map(({ id }) => id);
        expect([...ids].sort()).toEqual(declared.map(({ id }) => id).sort());
        for (const resource of ordered.resources)
          for (const need of [...resource.require, ...resource.watch]) expect(ids.indexOf(need)).toBeLessThan(ids.indexOf(resource.id));
        expect(orderResources(ordered.resources, new Set())).toEqual(ordered);
      }),
    );
  });

  test("without requirements the order is that of declaration", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 })), (names) =>
        expect(
          orderResources(
            names.map((name) => group(name)),
            new Set(),
          ),
        ).toMatchObject({ ok: true, resources: names.map((name) => ({ name })) }),
      ),
    );
  });

  test("a circle is found wherever it hides, and each of its links is one", () => {
    fc.assert(
      fc.property(acyclic, fc.nat(), fc.nat(), (declared, a, b) => {
        const from = declared[a % declared.length];
        const to = declared[b % declared.length];
        if (from === undefined || to === undefined || from === to) return;
        const closed = declared.map((one) =>
          one === from ? { ...one, require: [...one.require, to.id] } : one === to ? { ...one, require: [...one.require, from.id] } : one,
        );
        const ordered = orderResources(closed, new Set());
        if (ordered.ok) throw new Error("a circle was not found");
        const ids = (ordered.faults[0]?.message ?? "").replace("requirements run in a circle: ", "").split(" → ");
        expect(ids.at(-1)).toBe(ids[0] ?? "");
        for (const [at, id] of ids.slice(0, -1).entries()) {
          const resource = closed.find((one) => one.id === id);
          expect([...(resource?.require ?? []), ...(resource?.watch ?? [])]).toContain(ids[at + 1] ?? "");
        }
      }),
    );
  });

  test("a chain of ten thousand is ordered", () => {
    const chain = Array.from({ length: 10_000 }, (_, at) => group(String(at), at === 9_999 ? [] : [`group/${at + 1}`]));
    const ordered = orderResources(chain, new Set());
    expect(ordered.ok && ordered.resources[0]?.name).toBe("9999");
  });

  test("a reference by bare name is answered with the id", () => {
    const ordered = orderResources([group("a", ["b"]), group("b")], new Set());
    expect(ordered).toMatchObject({ ok: false, faults: [{ message: "require names b, which this host has not", remedy: "Did you mean group/b?" }] });
  });
});
