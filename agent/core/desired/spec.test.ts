import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type HostSpec, hostSpec } from "../../../shared/protocol/spec.ts";
import { testHost } from "../../../shared/sim/test-fleet.ts";
import { SPEC_CLASSES } from "../../../shared/protocol/spec-classes.ts";
import { clampSpec, INTERVAL_S_MAX, INTERVAL_S_MIN, isInWindow, judgeSpec, modeNow, PAUSE_MS_MAX } from "./spec.ts";

const { hostId } = testHost("a");
const spec = (changes: Partial<HostSpec> = {}): HostSpec => ({ v: 1, host_id: hostId, generation: 1, mode: "enforce", ...changes });
const NOW = 1_800_000_000_000;

describe("a desired spec", () => {
  test("for another host is not taken", () => {
    expect(judgeSpec({ current: undefined, offered: spec({ host_id: testHost("b").hostId }), hostId, nowMs: NOW })).toEqual({ take: false, why: "other_host" });
  });

  test("is taken only when its generation grew", () => {
    const taken = (current: number | undefined, offered: number): boolean =>
      judgeSpec({ current: current === undefined ? undefined : spec({ generation: current }), offered: spec({ generation: offered }), hostId, nowMs: NOW })
        .take;
    expect([taken(undefined, 1), taken(1, 2), taken(2, 2), taken(3, 2)]).toEqual([true, true, false, false]);
  });

  test("names what changed, its class, and whether it was clamped", () => {
    const verdict = judgeSpec({ current: spec(), offered: spec({ generation: 2, mode: "monitor", paused_until: NOW + PAUSE_MS_MAX * 2 }), hostId, nowMs: NOW });
    expect(verdict.take && verdict.changes).toEqual([
      { field: "mode", class: "safe", clamped: false },
      { field: "paused_until", class: "safe", clamped: true },
    ]);
  });

  test("whatever comes, what is taken is within this box's limits", () => {
    fc.assert(
      fc.property(
        fc.record({ paused: fc.option(fc.nat(), { nil: undefined }), interval: fc.option(fc.integer(), { nil: undefined }), windows: fc.nat(100) }),
        ({ paused, interval, windows }) => {
          const window = { days: [1], from: "00:00", to: "01:00" };
          const clamped = clampSpec(
            spec({
              ...(paused === undefined ? {} : { paused_until: NOW + paused * 1_000 }),
              ...(interval === undefined ? {} : { interval_s: interval }),
              apply_windows: Array.from({ length: windows }, () => window),
            }),
            NOW,
          );
          expect(clamped.paused_until ?? 0).toBeLessThanOrEqual(NOW + PAUSE_MS_MAX);
          if (clamped.interval_s !== undefined) expect(clamped.interval_s >= INTERVAL_S_MIN && clamped.interval_s <= INTERVAL_S_MAX).toBe(true);
          expect(clamped.apply_windows?.length ?? 0).toBeLessThanOrEqual(32);
        },
      ),
    );
  });

  test("NATS is attached to with TLS only, or on this machine; servers of which none is usable are none", () => {
    const natsIn = (urls: string[] | undefined): HostSpec["nats"] => clampSpec(spec({ nats: urls === undefined ? {} : { urls } }), NOW).nats;
    expect(natsIn(undefined)).toEqual({});
    expect(natsIn(["tls://n1.example.org:4222", "nats://n2.example.org", "nats://127.0.0.1:4222"])).toEqual({
      urls: ["tls://n1.example.org:4222", "nats://127.0.0.1:4222"],
    });
    expect(natsIn(["nats://n2.example.org", "tls://a:b@n3.example.org"])).toBeUndefined();
  });

  test("what destroys is held, with the rest of its generation in force", () => {
    const verdict = judgeSpec({ current: spec(), offered: spec({ generation: 2, mode: "monitor", retire: true }), hostId, nowMs: NOW });
    expect(verdict.take && [verdict.spec.mode, verdict.spec.retire, verdict.held]).toEqual(["monitor", undefined, { retire: { from: "null", to: "true" } }]);
  });

  test("every field has a class", () => {
    const { v: _v, host_id: _h, generation: _g, ...fields } = hostSpec.shape;
    expect(Object.keys(SPEC_CLASSES).sort()).toEqual(Object.keys(fields).sort());
  });

  test("unknown fields do not survive", () => {
    const offered = { ...spec(), run_this: "rm -rf /" };
    expect(clampSpec(offered, NOW)).not.toHaveProperty("run_this");
  });
});

describe("a window", () => {
  const night = [{ days: [5], from: "22:00", to: "06:00" }];
  const cases: readonly [string, number, number, boolean][] = [
    ["on its day, after its start", 5, 23 * 60, true],
    ["on its day, before its start", 5, 21 * 60, false],
    ["on the morning after", 6, 5 * 60, true],
    ["on the morning of its day", 5, 5 * 60, false],
    ["at its end", 6, 6 * 60, false],
  ];
  for (const [name, day, minute, open] of cases)
    test(`past midnight, ${name}: ${open ? "open" : "shut"}`, () => expect(isInWindow(night, { day, minute })).toBe(open));
  test("with no windows it is always open", () =>
    expect([isInWindow(undefined, { day: 0, minute: 0 }), isInWindow([], { day: 0, minute: 0 })]).toEqual([true, true]));
  test("with equal ends it is the whole day", () => expect(isInWindow([{ days: [2], from: "08:00", to: "08:00" }], { day: 2, minute: 9 * 60 })).toBe(true));
});

test("how a run behaves: paused before monitored before enforced", () => {
  const at = { day: 1, minute: 600 };
  const shut = [{ days: [2], from: "00:00", to: "01:00" }];
  expect([
    modeNow(undefined, NOW, at),
    modeNow(spec(), NOW, at),
    modeNow(spec({ mode: "monitor" }), NOW, at),
    modeNow(spec({ apply_windows: shut }), NOW, at),
    modeNow(spec({ paused_until: NOW + 1 }), NOW, at),
    modeNow(spec({ paused_until: NOW }), NOW, at),
  ]).toEqual(["enforce", "enforce", "monitor", "monitor", "paused", "enforce"]);
});
