import { expect, test } from "bun:test";
import { isUsableNatsUrl, NATS_URLS_MAX, usableNatsUrls } from "./nats-urls.ts";

const usable = [
  "tls://nats.example.org",
  "tls://nats.example.org:4222",
  "tls://10.0.0.1:4222",
  "tls://[fd00::1]:4222",
  "nats://127.0.0.1:4222",
  "nats://localhost",
  "nats://[::1]:1",
];
const unusable = [
  "nats://nats.example.org:4222",
  "nats://10.0.0.1",
  "nats://127.0.0.1.example.org",
  "nats://localhost.example.org:4222",
  "tls://user:secret@nats.example.org",
  "tls://nats.example.org/path",
  "tls://nats.example.org?x=1",
  "ws://nats.example.org",
  "http://127.0.0.1:80",
  "tls://",
  "tls:// nats",
  "tls://a\nb",
  "nats.example.org:4222",
  "",
];

for (const url of usable) test(`${url} is used`, () => expect(isUsableNatsUrl(url)).toBe(true));
for (const url of unusable) test(`${JSON.stringify(url)} is not`, () => expect(isUsableNatsUrl(url)).toBe(false));

test("only so many, each once", () => {
  const many = Array.from({ length: 20 }, (_, at) => `tls://n${at}.example.org`);
  expect(usableNatsUrls([...many, ...many])).toEqual(many.slice(0, NATS_URLS_MAX));
});
