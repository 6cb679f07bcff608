import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { testHost } from "../../../shared/sim/test-fleet.ts";
import { placeHosts } from "./pacing.ts";

const IDS = Array.from({ length: 12 }, (_, n) => testHost(`h${n}`).hostId);

test("without pacing all go at once", () => {
  expect(placeHosts(IDS, undefined)).toEqual({ placed: IDS.toSorted().map((hostId) => ({ hostId, batch: 0 })), batches: 1, canaries: false });
});

test("canaries go first and alone; a canary that is not meant is nobody; when all are canaries there is nothing to wait for", () => {
  const [a, b] = [IDS[3] ?? "", IDS[7] ?? ""];
  const stranger = testHost("stranger").hostId;
  const placing = placeHosts(IDS, { batch: 4, canaries: [testHost("h3").hostId, testHost("h7").hostId, stranger] });
  expect(placing.placed.filter(({ batch }) => batch === 0).map(({ hostId }) => hostId)).toEqual([a, b]);
  expect([placing.batches, placing.canaries]).toEqual([4, true]);
  expect(placeHosts(IDS, { canaries: [stranger] }).canaries).toBe(false);
  expect(placeHosts([a], { canaries: [testHost("h3").hostId] })).toEqual({ placed: [{ hostId: a, batch: 0 }], batches: 1, canaries: false });
});

test("a seed gives one order, whatever order the hosts came in", () => {
  const placed = (seed: string, ids: readonly string[]) => placeHosts(ids, { batch: 1, seed }).placed.map(({ hostId }) => hostId);
  expect(placed("7f1", IDS)).toEqual(placed("7f1", IDS.toReversed()));
  expect(placed("7f1", IDS)).not.toEqual(placed("7f2", IDS));
});

test("every host is placed once, batches are whole and in order, none is larger than asked", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 20 }),
      fc.subarray(IDS),
      fc.string({ maxLength: 5 }),
      (count, batch, canaries, seed) => {
        const hosts = IDS.slice(0, count);
        const { placed, batches } = placeHosts(hosts, { batch, canaries, seed });
        expect(placed.map(({ hostId }) => hostId).toSorted()).toEqual(hosts.toSorted());
        const sizes = Array.from({ length: batches }, (_, n) => placed.filter((one) => one.batch === n).length);
        expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(count);
        expect(sizes.every((size) => size > 0)).toBe(true);
        expect(sizes.slice(1).every((size) => size <= batch)).toBe(true);
      },
    ),
  );
});
