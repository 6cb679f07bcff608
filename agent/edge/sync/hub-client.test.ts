import { describe, expect, test } from "bun:test";
import { isFault } from "../../../shared/core/fault.ts";
import { assertSafe, joinUrl, retryAfterMs } from "./hub-client.ts";

const verdict = (url: string): string => {
  try {
    assertSafe(url);
    return "safe";
  } catch (error) {
    return isFault(error) ? error.code : "other";
  }
};

describe("TLS is mandatory but to this machine itself", () => {
  const cases: readonly [string, string][] = [
    ["https://hub.example", "safe"],
    ["http://127.0.0.1:8080", "safe"],
    ["http://127.8.9.1", "safe"],
    ["http://[::1]:1", "safe"],
    ["http://localhost:8080", "safe"],
    ["http://hub.example", "bad_settings"],
    ["http://127.0.0.1.example", "bad_settings"],
    ["http://localhost.example", "bad_settings"],
    ["http://10.0.0.1", "bad_settings"],
    ["ftp://127.0.0.1", "bad_settings"],
    ["http://user@hub.example@127.0.0.1", "safe"],
  ];
  for (const [url, wanted] of cases) test(`${url}: ${wanted}`, () => expect(verdict(url)).toBe(wanted));
});

test("Retry-After is seconds or a date, and nonsense is nothing", () => {
  const nowMs = Date.UTC(2026, 0, 1);
  expect([
    retryAfterMs("120", nowMs),
    retryAfterMs("Thu, 01 Jan 2026 00:00:30 GMT", nowMs),
    retryAfterMs("Wed, 31 Dec 2025 00:00:00 GMT", nowMs),
    retryAfterMs("soon", nowMs),
    retryAfterMs(undefined, nowMs),
  ]).toEqual([120_000, 30_000, 0, undefined, undefined]);
});

test("a path is joined once, whatever the URL ends in", () =>
  expect([joinUrl("https://a", "/x"), joinUrl("https://a/", "/x"), joinUrl("https://a/hub//", "/x")]).toEqual([
    "https://a/x",
    "https://a/x",
    "https://a/hub/x",
  ]));
