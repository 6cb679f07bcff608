import { expect, test } from "bun:test";
import { utf8 } from "../../../shared/core/bytes.ts";
import { opaqueId } from "../../../shared/protocol/fields.ts";
import { CHALLENGE_MS, type Mac, makeChallenge, recallChallenge } from "./challenge.ts";

const macWith =
  (key: string): Mac =>
  (text) =>
    new Uint8Array(new Bun.CryptoHasher("sha256", utf8(key)).update(text).digest());
const mac = macWith("one process");
const NOW = 1_790_000_000_000;

test("a challenge is recalled with its nonce until it expires", () => {
  const given = makeChallenge(mac, new Uint8Array(16).fill(7), NOW);
  expect(opaqueId.safeParse(given.id).success).toBe(true);
  expect(given.nonce).toHaveLength(43);
  expect(recallChallenge(mac, given.id, NOW)).toEqual(given);
  expect(recallChallenge(mac, given.id, NOW + CHALLENGE_MS - 1)).toEqual(given);
  expect(recallChallenge(mac, given.id, NOW + CHALLENGE_MS)).toBeUndefined();
});

test("an id with a later expiry than any given is refused, and a made-up id has another nonce", () => {
  const given = makeChallenge(mac, new Uint8Array(16), NOW);
  const stretched = given.id.replace(given.expiresAt.toString(36), (given.expiresAt + 1).toString(36));
  expect(recallChallenge(mac, stretched, NOW)).toBeUndefined();
  expect(recallChallenge(mac, stretched, NOW + 1)?.nonce).not.toBe(given.nonce);
  expect(recallChallenge(macWith("after a restart"), given.id, NOW)?.nonce).not.toBe(given.nonce);
  for (const id of ["", "c", "c-", "x", `c${"z".repeat(60)}`, `${given.id}a`]) expect(recallChallenge(mac, id, NOW)).toBeUndefined();
});
