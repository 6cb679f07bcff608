import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { seededRng } from "../edge/rng.ts";
import { BUS_BACKOFF, type BusLink, type BusLinkEvent, newBusLink, STEADY_MS, turnBusLink } from "./bus-link.ts";

const rng = seededRng("bus");
const sleepOf = (turn: ReturnType<typeof turnBusLink>): number => turn.effects.reduce((sum, effect) => sum + (effect.run === "sleep" ? effect.ms : 0), 0);

describe("a bus link", () => {
  test("connects at once the first time only", () => {
    const first = turnBusLink(newBusLink(2), { on: "due" }, 0, rng);
    expect(first.effects).toEqual([{ run: "connect", urlAt: 0 }]);
    const failed = turnBusLink(first.link, { on: "failed", code: "net_unreachable" }, 0, rng);
    expect(failed.link).toMatchObject({ urlAt: 1, failures: 1, phase: { at: "waiting" } });
    expect(failed.effects[0]).toEqual({ run: "log", event: "nats.down", because: "net_unreachable" });
    expect(sleepOf(failed)).toBeGreaterThan(0);
  });

  test("goes through all servers and begins again", () => {
    let link: BusLink = newBusLink(3);
    const seen: number[] = [];
    for (let at = 0; at < 6; at += 1) {
      seen.push(link.urlAt);
      link = turnBusLink(turnBusLink(link, { on: "due" }, 0, rng).link, { on: "failed", code: "x" }, 0, rng).link;
    }
    expect(seen).toEqual([0, 1, 2, 0, 1, 2]);
  });

  test("forgives after a steady while, and not before: one that flaps waits longer and longer", () => {
    const failing = { ...newBusLink(1), failures: 7 };
    const up = turnBusLink(turnBusLink(failing, { on: "due" }, 0, rng).link, { on: "connected" }, 1_000, rng).link;
    expect(turnBusLink(up, { on: "ended", code: "x" }, 1_000 + STEADY_MS, rng).link.failures).toBe(1);
    expect(turnBusLink(up, { on: "ended", code: "x" }, 999 + STEADY_MS, rng).link.failures).toBe(8);
  });

  test("whatever happens, between two connects there is a sleep, within its bounds", () => {
    const event = fc.constantFrom<BusLinkEvent>({ on: "connected" }, { on: "failed", code: "a" }, { on: "ended", code: "b" });
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.tuple(event, fc.nat(100_000)), { maxLength: 50 }), (seed, events) => {
        const own = seededRng(String(seed));
        let link = newBusLink(2);
        let nowMs = 0;
        for (const [happened, ms] of events) {
          link = turnBusLink(link, { on: "due" }, nowMs, own).link;
          nowMs += ms;
          const turn = turnBusLink(link, happened, nowMs, own);
          link = turn.link;
          if (happened.on === "connected") continue;
          expect(sleepOf(turn)).toBeGreaterThanOrEqual(BUS_BACKOFF.firstMs / 8);
          expect(sleepOf(turn)).toBeLessThanOrEqual(BUS_BACKOFF.maxMs);
        }
      }),
    );
  });
});
