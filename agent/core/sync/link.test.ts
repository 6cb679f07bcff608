import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { seededRng } from "../../../shared/edge/rng.ts";
import {
  BATCH_MAX,
  DRAIN_MS,
  type Link,
  type LinkEffect,
  type LinkEvent,
  newLink,
  PACE_MS_MAX,
  PACE_MS_MIN,
  type ReplyFacts,
  turn,
  OPS_PACE_MS,
} from "./link.ts";

const rng = seededRng("link");
const idle: ReplyFacts = { hubEpoch: 1, minProtocol: 1, nextMs: 0, hasDocuments: false, wantsOffer: false, unsent: false, ignoredRows: false, tookMs: 55_000 };
const step = (state: Link, event: LinkEvent, nowMs = 0) => turn(state, event, nowMs, rng);
const sleepOf = (effects: readonly LinkEffect[]): number | undefined => effects.flatMap((effect) => (effect.run === "sleep" ? [effect.ms] : []))[0];

/** A link that has synced once and is holding a request. */
function holding(urls = 2): Link {
  const asked = step(newLink(urls, 0, 1), { on: "due", unsent: false });
  const slept = step(asked.state, { on: "replied", reply: idle });
  return step(slept.state, { on: "due", unsent: false }).state;
}

describe("a link", () => {
  test("asks first without rows and without being held: it learns what the hub has before it spends a number", () => {
    expect(step(newLink(1, 0, 0), { on: "due", unsent: true }).effects).toEqual([{ run: "ask", urlAt: 0, hold: false, rowsMax: 0, offer: false }]);
  });

  test("then asks to be held when there is nothing to send, and not when there is", () => {
    const state = step(step(newLink(1, 0, 1), { on: "due", unsent: false }).state, { on: "replied", reply: idle }).state;
    expect(step(state, { on: "due", unsent: false }).effects).toEqual([{ run: "ask", urlAt: 0, hold: true, rowsMax: BATCH_MAX, offer: false }]);
    expect(step(state, { on: "due", unsent: true }).effects).toEqual([{ run: "ask", urlAt: 0, hold: false, rowsMax: BATCH_MAX, offer: false }]);
  });

  test("never has two requests in flight", () => expect(step(holding(), { on: "due", unsent: true }).effects).toEqual([]));

  test("is cut once by something urgent while it is held, and asks again at once", () => {
    const woken = step(holding(), { on: "woken" });
    expect(woken.effects).toEqual([{ run: "cut" }]);
    expect(step(woken.state, { on: "woken" }).effects).toEqual([]);
    expect(sleepOf(step(woken.state, { on: "cut" }).effects)).toBe(DRAIN_MS);
  });

  test("a back-off is not cut short by something urgent", () => {
    const failed = step(holding(), { on: "failed", code: "net_timeout" });
    expect(step(failed.state, { on: "woken" }).effects).toEqual([]);
  });

  const rotations: readonly [string, LinkEvent, boolean][] = [
    ["no connection", { on: "failed", code: "net_unreachable" }, true],
    ["a wrong key", { on: "failed", code: "net_tls" }, true],
    ["502", { on: "answered", status: 502, code: "http_502", retryAfterMs: undefined, rows: 0 }, true],
    ["503", { on: "answered", status: 503, code: "unavailable", retryAfterMs: undefined, rows: 0 }, true],
    ["429", { on: "answered", status: 429, code: "rate_limited", retryAfterMs: undefined, rows: 0 }, false],
    ["400", { on: "answered", status: 400, code: "bad_request", retryAfterMs: undefined, rows: 0 }, false],
    ["401", { on: "answered", status: 401, code: "revoked", retryAfterMs: undefined, rows: 0 }, false],
    ["404", { on: "answered", status: 404, code: "not_found", retryAfterMs: undefined, rows: 0 }, false],
  ];
  for (const [name, event, rotates] of rotations) {
    test(`${name}: ${rotates ? "the next URL" : "the same URL"}, after a sleep`, () => {
      const { state, effects } = step(holding(2), event);
      expect(state.urlAt).toBe(rotates ? 1 : 0);
      expect(sleepOf(effects)).toBeGreaterThan(0);
    });
  }

  test("Retry-After is honoured and bounded", () => {
    const wait = (retryAfterMs: number): number =>
      sleepOf(step(holding(), { on: "answered", status: 429, code: "rate_limited", retryAfterMs, rows: 0 }).effects) ?? 0;
    expect(wait(60_000)).toBeGreaterThanOrEqual(60_000);
    expect(wait(1e12)).toBeLessThanOrEqual(PACE_MS_MAX * 1.5);
  });

  test("revoked and unknown are told apart", () => {
    const standing = (code: string): string => step(holding(), { on: "answered", status: 401, code, retryAfterMs: undefined, rows: 0 }).state.standing.is;
    expect([standing("revoked"), standing("unauthenticated")]).toEqual(["revoked", "unknown_to_hub"]);
  });

  test("a batch the hub refuses is halved until the bad row stands alone, and that one is set aside", () => {
    let state = holding();
    const refuse = (rows: number): readonly LinkEffect[] => {
      const { state: next, effects } = step(state, { on: "answered", status: 400, code: "bad_request", retryAfterMs: undefined, rows });
      state = next;
      return effects;
    };
    for (const rows of [1_000, 500, 250, 125, 62, 31, 15, 7, 3]) {
      expect(refuse(rows).some(({ run }) => run === "park")).toBe(false);
      expect(state.batchMax).toBe(Math.floor(rows / 2));
    }
    expect(refuse(1).some(({ run }) => run === "park")).toBe(true);
  });

  test("a hub whose epoch rose is offered what this box holds", () => {
    const { state } = step(holding(), { on: "replied", reply: { ...idle, hubEpoch: 2 } });
    expect(step(state, { on: "due", unsent: false }).effects).toEqual([{ run: "ask", urlAt: 0, hold: false, rowsMax: BATCH_MAX, offer: true }]);
  });

  test("the hub's pace is kept, a held answer that came early and empty is not believed twice a second", () => {
    expect(sleepOf(step(holding(), { on: "replied", reply: { ...idle, nextMs: 30_000 } }).effects)).toBeGreaterThanOrEqual(30_000);
    expect(sleepOf(step(holding(), { on: "replied", reply: { ...idle, tookMs: 2 } }).effects)).toBe(PACE_MS_MIN);
  });

  test("ops that are new are answered at once and the next request is held at once; the same offer again is a stall", () => {
    let state = step(holding(), { on: "replied", reply: { ...idle, hasDocuments: true, tookMs: 1 } }).state;
    const fresh = step(state, { on: "settled", advanced: false, newOps: true });
    expect(sleepOf(fresh.effects)).toBe(0);
    state = step(fresh.state, { on: "due", unsent: true }).state;
    expect(sleepOf(step(state, { on: "replied", reply: idle }).effects)).toBe(OPS_PACE_MS);
    let waits = 0;
    state = holding();
    for (let at = 0; at < 20; at += 1) {
      const again = step(step(state, { on: "replied", reply: { ...idle, hasDocuments: true, tookMs: 1 } }).state, {
        on: "settled",
        advanced: false,
        newOps: false,
      });
      waits += sleepOf(again.effects) ?? 0;
      state = step(again.state, { on: "due", unsent: false }).state;
    }
    expect(waits).toBeGreaterThan(60_000);
  });

  test("an answer that takes a moment cuts the held request and goes at once; what is urgent without an op waits for what comes with it", () => {
    const settling = step(holding(), { on: "replied", reply: { ...idle, hasDocuments: true, tookMs: 1 } }).state;
    const fresh = step(settling, { on: "settled", advanced: false, newOps: true }).state;
    const pauses: (number | undefined)[] = [];
    for (let state = fresh, cuts = 0; cuts < 4; cuts += 1) {
      const held = step(state, { on: "due", unsent: false }).state;
      const cut = step(step(held, { on: "woken" }).state, { on: "cut" });
      pauses.push(sleepOf(cut.effects));
      state = cut.state;
    }
    expect(pauses).toEqual([OPS_PACE_MS, OPS_PACE_MS, DRAIN_MS, DRAIN_MS]);
  });

  test("documents that lead nowhere are waited out longer and longer", () => {
    let state = holding();
    const waits: number[] = [];
    for (let at = 0; at < 40; at += 1) {
      state = step(state, { on: "replied", reply: { ...idle, hasDocuments: true, tookMs: 1 } }).state;
      const settled = step(state, { on: "settled", advanced: false });
      waits.push(sleepOf(settled.effects) ?? 0);
      state = step(settled.state, { on: "due", unsent: false }).state;
    }
    expect(waits.slice(20).reduce((sum, ms) => sum + ms, 0) / 20).toBeGreaterThan(60_000);
  });

  test("an agent too old for its hub says so once and goes on", () => {
    const old = step(holding(), { on: "replied", reply: { ...idle, minProtocol: 9 } });
    expect(old.effects.filter((effect) => effect.run === "log" && effect.event === "link.outdated")).toHaveLength(1);
    const again = step(step(old.state, { on: "due", unsent: false }).state, { on: "replied", reply: { ...idle, minProtocol: 9 } });
    expect(again.effects.filter(({ run }) => run === "log")).toEqual([]);
  });

  test("every path to the next request sleeps, and there is always one", () => {
    const reply = fc.record({
      hubEpoch: fc.nat(3),
      minProtocol: fc.nat(2),
      nextMs: fc.nat(100_000_000),
      hasDocuments: fc.boolean(),
      wantsOffer: fc.boolean(),
      unsent: fc.boolean(),
      ignoredRows: fc.boolean(),
      tookMs: fc.nat(60_000),
    });
    const answer = fc.oneof(
      reply.map((facts): LinkEvent => ({ on: "replied", reply: facts })),
      fc.constantFrom("net_unreachable", "net_tls", "net_timeout").map((code): LinkEvent => ({ on: "failed", code })),
      fc.record({
        on: fc.constant("answered" as const),
        status: fc.constantFrom(400, 401, 403, 404, 413, 429, 500, 502, 503),
        code: fc.constantFrom("revoked", "x"),
        retryAfterMs: fc.option(fc.nat(), { nil: undefined }),
        rows: fc.nat(1_000),
      }),
      fc.constant<LinkEvent>({ on: "cut" }),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(answer, fc.boolean(), fc.boolean(), fc.boolean()), { maxLength: 60 }), fc.integer(), (answers, seed) => {
        const random = seededRng(String(seed));
        let state = newLink(3, 0, 0);
        let quick = 0;
        for (const [event, unsent, advanced, newOps] of answers) {
          const asked = turn(state, { on: "due", unsent }, 0, random);
          expect(asked.effects.filter(({ run }) => run === "ask")).toHaveLength(1);
          let { state: next, effects } = turn(asked.state, event, 0, random);
          const settles = effects.some(({ run }) => run === "settle");
          if (settles) ({ state: next, effects } = turn(next, { on: "settled", advanced, newOps }, 0, random));
          // Ops that were new lend this request and the next two no pause; nothing else ever does.
          const floorMs = settles && newOps ? 0 : quick > 0 ? OPS_PACE_MS : DRAIN_MS;
          quick = settles && newOps ? 2 : Math.max(0, quick - 1);
          expect(effects.filter(({ run }) => run === "sleep")).toHaveLength(1);
          expect(sleepOf(effects) ?? -1).toBeGreaterThanOrEqual(floorMs);
          expect(sleepOf(effects) ?? 0).toBeLessThanOrEqual(PACE_MS_MAX * 1.5);
          state = next;
        }
      }),
    );
  });
});
