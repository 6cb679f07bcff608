import { expect, test } from "bun:test";
import { isFault } from "../../shared/core/fault.ts";
import { readHubUrl, readPins } from "./hub-url.ts";

const refused = (run: () => unknown): boolean => {
  try {
    run();
    return false;
  } catch (error) {
    return isFault(error, "bad_request");
  }
};

test("https anywhere, http on this machine only, nothing but scheme, name and port", () => {
  expect(readHubUrl("hub.example.net")).toBe("https://hub.example.net");
  expect(readHubUrl("https://hub.example.net:8443/")).toBe("https://hub.example.net:8443");
  for (const local of ["http://127.0.0.1:80", "http://localhost:1", "http://[::1]:9"]) expect(refused(() => readHubUrl(local))).toBe(false);
  for (const bad of [
    "http://hub.example.net",
    "http://127.evil.net",
    "ftp://x",
    "https://u:p@x",
    "https://x/path",
    "https://x?a",
    "https://x#a",
    "https://",
    "http://localhost.evil.net",
  ])
    expect([bad, refused(() => readHubUrl(bad))]).toEqual([bad, true]);
});

test("a pin is 43 letters, however it was copied", () => {
  const pin = "OYAS1tCXh8WJj3Xkn4wX4xVJ4ZZLL5aXg57OCGO3_GA";
  expect(readPins([pin, `sha256/${pin.replaceAll("_", "/")}=`])).toEqual([pin, pin]);
  expect(readPins([`${pin},${pin}`])).toEqual([pin, pin]);
  expect(readPins([])).toEqual([]);
  for (const bad of ["", "x", `${pin}x`, pin.slice(1)]) expect(refused(() => readPins([bad]))).toBe(true);
});
