/**
 * sfc32, a small fast generator that passes PractRand, seeded from a text through four mixed hashes. Written out here instead of
 * taken from the runtime so that a seed means the same run on every Bun for ever. Never for keys: see `Crypto`.
 */
import { assert } from "../core/assert.ts";
import type { Rng } from "../ports/rng.ts";

export function seededRng(seed: string): Rng {
  let a = hash(seed, 0x9e3779b9);
  let b = hash(seed, 0x243f6a88);
  let c = hash(seed, 0xb7e15162);
  let counter = 1;
  const word = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let warmUp = 0; warmUp < 12; warmUp += 1) word();
  const next = (): number => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53;
  return {
    next,
    int: (below) => {
      assert(Number.isSafeInteger(below) && below >= 1, `int() takes a whole number from 1, not ${below}`);
      return Math.floor(next() * below);
    },
    fork: (label) => seededRng(`${seed}/${label}`),
  };
}

/** FNV-1a with a start of its own, then murmur3's finaliser. */
function hash(text: string, start: number): number {
  let state = start | 0;
  for (let at = 0; at < text.length; at += 1) state = Math.imul(state ^ text.charCodeAt(at), 0x01000193);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35);
  return state ^ (state >>> 16);
}
