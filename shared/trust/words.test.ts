import { expect, test } from "bun:test";
import { testBoxKey, testKey } from "../sim/test-fleet.ts";
import { enrollmentWords, wordList } from "./words.ts";

test("the list holds 512 short words that can't be mistaken for each other", () => {
  const words = wordList();
  expect(words).toHaveLength(512);
  expect(words).toEqual([...new Set(words)].toSorted());
  for (const word of words) expect(word).toMatch(/^[a-z]{3,9}$/);
  const near: string[] = [];
  words.forEach((a, at) => words.slice(at + 1).forEach((b) => (a.startsWith(b) || b.startsWith(a) || isOneEditApart(a, b)) && near.push(`${a} ${b}`)));
  expect(near).toEqual([]);
});

test("the words of two keys never change", () => {
  expect(enrollmentWords(new Uint8Array(32), new Uint8Array(32))).toEqual(["crayon", "window", "bison", "museum", "polar"]);
});

test("another signing key or another box key has other words", () => {
  const [a, b] = [testKey("a").publicKey, testBoxKey("a").publicKey];
  const words = enrollmentWords(a, b).join(" ");
  expect(enrollmentWords(testKey("b").publicKey, b).join(" ")).not.toBe(words);
  expect(enrollmentWords(a, testBoxKey("b").publicKey).join(" ")).not.toBe(words);
  expect(enrollmentWords(b, a).join(" ")).not.toBe(words);
});

test("every word comes up: the bits are spread", () => {
  const seen = new Set<string>();
  for (let index = 0; index < 400; index += 1) for (const word of enrollmentWords(testKey(`${index}`).publicKey, testBoxKey("a").publicKey)) seen.add(word);
  expect(seen.size).toBeGreaterThan(480);
});

function isOneEditApart(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  return a.slice(at + 1) === b.slice(at + 1) || a.slice(at) === b.slice(at + 1) || a.slice(at + 1) === b.slice(at);
}
