import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { seededRng } from "../../../shared/edge/rng.ts";
import { CHALLENGE_TRIES_MAX, type EnrollEffect, type EnrollEvent, type Enrollment, isFinal, newEnrollment, resume, turn } from "./enrollment.ts";

const rng = seededRng("enroll");
const step = (state: Enrollment, event: EnrollEvent) => turn(state, event, rng);
const walk = (state: Enrollment, ...events: readonly EnrollEvent[]): Enrollment => events.reduce((at, event) => step(at, event).state, state);
const answered = (status: number, code: string): EnrollEvent => ({ on: "answered", status, code, because: code, retryAfterMs: undefined });
const challenged: EnrollEvent = { on: "challenged", challengeId: "c1", nonce: "n" };
const accepted: EnrollEvent = { on: "accepted", requestId: "r1", pollMs: 5_000 };
const waits = (effects: readonly EnrollEffect[]): readonly number[] => effects.flatMap((effect) => (effect.run === "wait" ? [effect.ms] : []));

describe("an enrollment", () => {
  test("goes challenge, request, poll, verify", () => {
    expect(step(newEnrollment(1), { on: "due" }).effects).toEqual([{ run: "challenge" }]);
    expect(step(newEnrollment(1), challenged).effects).toEqual([{ run: "submit" }]);
    const pending = walk(newEnrollment(1), challenged, accepted);
    expect(pending).toMatchObject({ at: "pending", requestId: "r1", isPinned: true });
    expect(step(pending, { on: "approved" }).effects).toEqual([{ run: "verify" }]);
    expect(walk(pending, { on: "approved" }, { on: "verified" }).at).toBe("enrolled");
  });

  test("URLs are tried in order, each after a wait with its reason; the one that answers is kept", () => {
    let state = newEnrollment(3);
    for (const urlAt of [1, 2, 0, 1]) {
      const { state: next, effects } = step(state, { on: "unreached", code: "net_unreachable" });
      expect(next.urlAt).toBe(urlAt);
      expect(effects).toContainEqual({ run: "rotate", urlAt, because: "net_unreachable" });
      expect(effects.at(-1)).toMatchObject({ run: "wait", because: "net_unreachable" });
      state = next;
    }
    expect(walk(state, challenged)).toMatchObject({ urlAt: 1, isPinned: true, failures: 0 });
  });

  test("a 5xx rotates, a 4xx never does", () => {
    expect(step(newEnrollment(2), answered(503, "unavailable")).state.urlAt).toBe(1);
    for (const status of [400, 401, 403, 404, 409, 413, 429]) expect(step(newEnrollment(2), answered(status, "x")).state.urlAt).toBe(0);
  });

  test("an unknown challenge is fetched anew and resubmitted, three attempts in all", () => {
    let state = newEnrollment(2);
    for (let attempt = 1; attempt < CHALLENGE_TRIES_MAX; attempt += 1) {
      const { state: next, effects } = step(walk(state, challenged), answered(401, "challenge_unknown"));
      expect(next.at).toBe("asking");
      expect(waits(effects)).toHaveLength(1);
      state = next;
    }
    expect(step(walk(state, challenged), answered(401, "challenge_unknown")).state).toMatchObject({ at: "failed", code: "challenge_unknown" });
  });

  test("three attempts means three", () => expect(CHALLENGE_TRIES_MAX).toBe(3));

  test("a 429 waits as it is told", () => {
    const { state, effects } = step(newEnrollment(2), { on: "answered", status: 429, code: "rate_limited", because: "", retryAfterMs: 30_000 });
    expect([state.urlAt, waits(effects)[0]]).toEqual([0, 30_000]);
  });

  test("a wrong TLS key is tried at every URL, and then it is over", () => {
    let state = newEnrollment(2);
    for (let tries = 0; tries < 5; tries += 1) state = step(state, { on: "unreached", code: "net_tls" }).state;
    expect(state.at).toBe("asking");
    expect(step(state, { on: "unreached", code: "net_tls" }).state).toMatchObject({ at: "failed", code: "net_tls" });
  });

  test("a request that the hub forgot is made again", () =>
    expect(step(walk(newEnrollment(1), challenged, accepted), answered(404, "not_found")).state.at).toBe("asking"));

  test("what was read back from disk goes on where that is safe", () => {
    const submitting = walk(newEnrollment(1), challenged);
    const pending = walk(submitting, accepted);
    expect([
      resume(submitting).at,
      resume(pending).at,
      resume(walk(pending, { on: "approved" })).at,
      resume(walk(pending, { on: "rejected", because: "no" })).at,
    ]).toEqual(["asking", "pending", "pending", "asking"]);
  });

  test("whatever the hub does, no step spins and no state is stuck", () => {
    const events = fc.constantFrom<EnrollEvent>(
      challenged,
      accepted,
      { on: "pending", pollMs: 0 },
      { on: "approved" },
      { on: "unreached", code: "net_timeout" },
      { on: "unreached", code: "net_tls" },
      answered(401, "challenge_unknown"),
      answered(500, "x"),
      answered(429, "rate_limited"),
      answered(404, "not_found"),
      { on: "unverified", code: "x", because: "y" },
      { on: "due" },
    );
    fc.assert(
      fc.property(fc.array(events), fc.integer({ min: 1, max: 4 }), (steps, urls) => {
        let state = newEnrollment(urls);
        for (const event of steps) {
          if (isFinal(state)) break;
          const { state: next, effects } = step(state, event);
          expect(effects.length > 0 || isFinal(next) || next === state).toBe(true);
          for (const ms of waits(effects)) expect(ms).toBeGreaterThanOrEqual(100);
          state = next;
        }
        expect(isFinal(state) || step(state, { on: "due" }).effects.length === 1).toBe(true);
      }),
    );
  });
});
