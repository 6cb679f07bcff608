import { expect, test } from "bun:test";
import { clockOffMs } from "./clock-off.ts";

const MINUTE = 60_000;
const DAY = 86_400_000;
const NOW = 100 * DAY;

const TABLE: readonly (readonly [what: string, createdAt: number, reachableSince: number, off: number | undefined])[] = [
  ["made a moment ago", NOW - 2_000, 0, undefined],
  ["a little ahead", NOW + 4 * MINUTE, 0, undefined],
  ["far ahead", NOW + 40 * DAY, 0, 40 * DAY],
  ["far ahead, just back", NOW + 40 * DAY, NOW, 40 * DAY],
  ["far behind while in contact all day", NOW - 2 * 60 * MINUTE, NOW - DAY, -2 * 60 * MINUTE],
  ["old, but the box came back just now: it waited", NOW - 2 * 60 * MINUTE, NOW - MINUTE, undefined],
  ["a little behind", NOW - 4 * MINUTE, 0, undefined],
];

for (const [what, createdAt, reachableSince, off] of TABLE)
  test(`clock: ${what}`, () => expect(clockOffMs({ createdAt, receivedAt: NOW, reachableSince })).toBe(off));
