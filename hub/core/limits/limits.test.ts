import { expect, test } from "bun:test";
import fc from "fast-check";
import { addressGroup, clientAddress, isLoopback, plainAddress } from "./client-address.ts";
import { nextArrival, ratePerSecond, waitMs } from "./gcra.ts";
import { Limiter } from "./limiter.ts";

test("a burst passes, then the rate", () => {
  const rate = ratePerSecond(10, 5);
  let arrival = 0;
  const admitted: number[] = [];
  for (let now = 1_000; now < 2_000; now += 10) {
    if (waitMs(arrival, now, rate) > 0) continue;
    arrival = nextArrival(arrival, now, rate);
    admitted.push(now);
  }
  expect(admitted.slice(0, 5)).toEqual([1_000, 1_010, 1_020, 1_030, 1_040]);
  expect(admitted).toHaveLength(5 + 9);
});

test("whenever it says to wait, waiting that long is enough", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100 }),
      fc.integer({ min: 1, max: 50 }),
      fc.array(fc.nat({ max: 500 }), { maxLength: 100 }),
      (perSecond, burst, gaps) => {
        const rate = ratePerSecond(perSecond, burst);
        let [arrival, now] = [0, 0];
        for (const gap of gaps) {
          now += gap;
          const wait = waitMs(arrival, now, rate);
          expect(waitMs(arrival, now + wait, rate)).toBe(0);
          if (wait === 0) arrival = nextArrival(arrival, now, rate);
        }
      },
    ),
  );
});

test("a limiter counts each key apart, all of them together, and forgets the oldest when it is full", () => {
  const limiter = new Limiter({ each: ratePerSecond(1, 1), total: ratePerSecond(1_000), keysMax: 2 });
  expect([limiter.take("a", 0), limiter.take("a", 0) > 0, limiter.take("b", 0), limiter.take("c", 0)]).toEqual([0, true, 0, 0]);
  expect([limiter.keys, limiter.refused]).toEqual([2, 1]);
  expect(limiter.take("a", 0)).toBe(0);
  const all = new Limiter({ each: ratePerSecond(100), total: ratePerSecond(2, 2) });
  expect([all.take("a", 0), all.take("b", 0), all.take("c", 0) > 0]).toEqual([0, 0, true]);
});

test.each<[string, string | null, readonly string[], string]>([
  ["192.0.2.1", null, [], "192.0.2.1"],
  ["192.0.2.1", "203.0.113.9", [], "192.0.2.1"],
  ["192.0.2.1", "203.0.113.9", ["192.0.2.2"], "192.0.2.1"],
  ["192.0.2.1", "203.0.113.9", ["192.0.2.1"], "203.0.113.9"],
  ["::ffff:192.0.2.1", "203.0.113.9", ["192.0.2.1"], "203.0.113.9"],
  ["192.0.2.1", "10.0.0.1, 203.0.113.9, 192.0.2.2", ["192.0.2.1", "192.0.2.2"], "203.0.113.9"],
  ["192.0.2.1", "203.0.113.9, not-an-address", ["192.0.2.1"], "192.0.2.1"],
  ["192.0.2.1", "x".repeat(2_000), ["192.0.2.1"], "192.0.2.1"],
])("attack 47: socket %s, x-forwarded-for %s, proxies %p is %s", (socket, forwarded, proxies, address) => {
  expect(clientAddress(socket, forwarded, proxies)).toBe(address);
});

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
  ["2001:db8:1:2::9", "2001:db8:1:2"],
  ["2001:db8::9", "2001:db8:0:0"],
  ["::1", "0:0:0:0"],
])("the rate of %s is counted under %s", (address, group) => {
  expect(addressGroup(address)).toBe(group);
});

test("addresses have one spelling, and loopback is known in each", () => {
  expect([plainAddress("::FFFF:127.0.0.1"), plainAddress("2001:DB8::1"), plainAddress("256.0.0.1"), plainAddress("host")]).toEqual([
    "127.0.0.1",
    "2001:db8::1",
    undefined,
    undefined,
  ]);
  expect(["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "unix"].every(isLoopback)).toBe(true);
  expect(["0.0.0.0", "::", "192.0.2.1", "127.evil.example"].some(isLoopback)).toBe(false);
});
