import { expect, test } from "bun:test";
import { SimClock } from "../../../shared/sim/sim-clock.ts";
import { HUB_DEFAULTS, type HubSettings } from "../../settings.ts";
import { Guard, isPlainPath, pathOf } from "./guard.ts";

const guardOf = (changes: Partial<HubSettings>) => new Guard({ ...HUB_DEFAULTS, dataDir: "/nowhere", ...changes }, new SimClock());
const request = (headers: Record<string, string> = {}) => new Request("http://hub.test/healthz", { headers: { host: "hub.test", ...headers } });
const peer = (address: string) => ({ address, hold: () => {} });

test.each<[string, "denied" | undefined]>([
  ["127.0.0.1", undefined],
  ["::1", undefined],
  ["192.0.2.1", undefined],
  ["::ffff:192.0.2.1", undefined],
  ["192.0.2.2", "denied"],
])("behind a proxy at 192.0.2.1, plain HTTP from %s is answered or %s", (address, code) => {
  const guard = guardOf({ tls: { use: "none" }, trustedProxies: ["192.0.2.1"] });
  expect(guard.check(request({ "x-forwarded-for": "192.0.2.1" }), peer(address))?.code).toBe(code);
});

test("with TLS everybody may connect, and no header changes who that is", () => {
  const guard = guardOf({});
  expect(guard.check(request(), peer("203.0.113.5"))).toBeUndefined();
  expect(guard.addressOf(request({ "x-forwarded-for": "127.0.0.1" }), peer("203.0.113.5"))).toBe("203.0.113.5");
});

test("hosts that were right are remembered, in bounded number, and wrong ones never", () => {
  const guard = guardOf({});
  for (let n = 0; n < 500; n += 1) expect(guard.isOneHost(request({ host: `h${n}.test` }))).toBe(true);
  for (let n = 0; n < 3; n += 1) expect(guard.isOneHost(request({ host: "a, b" }))).toBe(false);
  expect(["a:80", "[::1]:8443", "192.0.2.1"].every((host) => guard.isOneHost(request({ host })))).toBe(true);
  expect(
    ["a:", "a:x", "[::1", "a b", "a/b", "é"].some((host) =>
      guard.isOneHost(new Proxy(request(), { get: (_, name) => (name === "headers" ? { get: () => host } : undefined) })),
    ),
  ).toBe(false);
});

test("a path is what stands between authority and query", () => {
  expect([pathOf("http://h/a/b?c=/d"), pathOf("https://h:1/"), pathOf("/x?y"), pathOf("http://h/a")]).toEqual(["/a/b", "/", "/x", "/a"]);
  expect(["/", "/a", "/a/b.c_d~e-f"].every(isPlainPath)).toBe(true);
  expect(["", "a", "/a/", "//a", "/a//b", "/%61", "/a;b", "/a\\b", "/a b"].some(isPlainPath)).toBe(false);
});

test("a box counts under its own name, not its address", () => {
  const guard = guardOf({});
  let admitted = 0;
  for (let n = 0; n < 1_100; n += 1) if (guard.countHost("h-aaaaaaaaaaaaaaaa") === 0) admitted += 1;
  expect(admitted).toBe(1_000);
  expect(guard.countHost("h-bbbbbbbbbbbbbbbb")).toBe(0);
});
