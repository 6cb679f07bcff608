/** Properties of plans over random graphs: who is touched, who is skipped, and that the same input gives the same plan. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Resource } from "../../../shared/states/resource.ts";
import { dependencies, type Seen } from "./judge.ts";
import { plan } from "./plan.ts";
import { planText } from "./plan-text.ts";
import { NO_RETRIES, withFailure, withTriggers } from "./retry.ts";

const sights: Readonly<Record<string, Seen>> = {
  good: { ok: true, observed: { is: "present", running: true, boot: "enabled", unitsChanged: false } },
  stopped: { ok: true, observed: { is: "present", running: false, boot: "enabled", unitsChanged: false } },
  missing: { ok: true, observed: { is: "missing" } },
  unseen: { ok: false, because: "permission denied" },
};

interface Node {
  readonly sight: string;
  readonly require: readonly number[];
  readonly watch: readonly number[];
  readonly stops: boolean;
  readonly failedBefore: boolean;
  readonly triggered: boolean;
}

const edges = fc.array(fc.nat(30), { maxLength: 3 });
const node = fc.record({
  sight: fc.constantFrom(...Object.keys(sights)),
  require: edges,
  watch: edges,
  stops: fc.integer({ min: 0, max: 9 }).map((roll) => roll === 0),
  failedBefore: fc.boolean(),
  triggered: fc.boolean(),
});

function build(nodes: readonly Node[]) {
  const id = (at: number): string => `service/s${at}`;
  const earlier = (list: readonly number[], at: number): readonly string[] => (at === 0 ? [] : [...new Set(list.map((other) => id(other % at)))]);
  const resources = nodes.map(
    ({ require, watch, stops }, at): Resource => ({
      id: id(at),
      type: "service",
      name: `s${at}`,
      params: { name: `s${at}`, ensure: "running", onWatch: "reload" },
      require: earlier(require, at),
      watch: earlier(watch, at),
      onFail: stops ? "stop" : "continue",
      sensitive: false,
      from: "test:1",
    }),
  );
  const seen = new Map(nodes.map(({ sight }, at) => [id(at), sights[sight] ?? { ok: false as const, because: "" }]));
  const failed = nodes.reduce((state, { failedBefore }, at) => {
    const resource = resources[at];
    return failedBefore && resource !== undefined ? withFailure(state, resource, "once", 0) : state;
  }, NO_RETRIES);
  const retry = withTriggers(
    failed,
    nodes.flatMap(({ triggered }, at) => (triggered ? [id(at)] : [])),
  );
  return { resources, seen, retry, nowMs: 1, isAsked: false };
}

test("every resource gets one verdict, nobody is touched after a dependency that is not in order, and nobody is skipped without one", () => {
  fc.assert(
    fc.property(fc.array(node, { maxLength: 25 }), (nodes) => {
      const input = build(nodes);
      const planned = plan(input);
      expect(planned.map(({ resource }) => resource.id)).toEqual(input.resources.map(({ id }) => id));
      const verdicts = new Map(planned.map(({ resource, verdict }) => [resource.id, verdict.is]));
      let stopped = false;
      for (const { resource, verdict } of planned) {
        const bad = dependencies(resource).some((id) => ["failed", "skipped", "waiting"].includes(verdicts.get(id) ?? ""));
        expect(verdict.is === "skipped").toBe(bad || stopped);
        if (verdict.is === "unclear") expect(dependencies(resource).some((id) => ["change", "unclear"].includes(verdicts.get(id) ?? ""))).toBe(true);
        if (verdict.is === "failed" && resource.onFail === "stop") stopped = true;
      }
      const text = planText({ planned, texts: new Map(), secrets: [] });
      expect(planText({ planned: plan(input), texts: new Map(), secrets: [] })).toBe(text);
      // One line per step at least, and a last one that counts them all.
      expect(text.split("\n").length).toBeGreaterThan(planned.filter(({ verdict }) => verdict.is !== "unchanged").length);
    }),
    { numRuns: 300 },
  );
});
