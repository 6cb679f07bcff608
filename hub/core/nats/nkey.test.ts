import { describe, expect, test } from "bun:test";
import { nkeys } from "@nats-io/transport-node";
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { sha256 } from "../../../shared/core/sha256.ts";
import { sign } from "../../../shared/trust/keys.ts";
import { encodeJwt } from "./jwt.ts";
import { type NkeyKind, nkeyFromSeed } from "./nkey.ts";

const KINDS: readonly (readonly [NkeyKind, string])[] = [
  ["operator", "O"],
  ["account", "A"],
  ["user", "U"],
];

describe("NKeys are spelled as the official package spells them", () => {
  for (const [kind, letter] of KINDS) {
    test(`${kind}: S${letter}… and ${letter}…, the same key, signatures that verify`, () => {
      for (let at = 0; at < 20; at += 1) {
        const mine = nkeyFromSeed(kind, sha256(utf8(`${kind} ${at}`)));
        const theirs = nkeys.fromSeed(utf8(mine.seedText));
        expect(mine.seedText.slice(0, 2)).toBe(`S${letter}`);
        expect(theirs.getPublicKey()).toBe(mine.publicText);
        expect(fromUtf8(theirs.getSeed())).toBe(mine.seedText);
        expect(nkeys.fromPublic(mine.publicText).verify(utf8("nonce"), sign(mine.key, utf8("nonce")))).toBe(true);
      }
    });
  }
});

test("a token is three parts, its signature is the issuer's, and any changed byte breaks it", () => {
  const issuer = nkeyFromSeed("account", sha256(utf8("issuer")));
  const token = encodeJwt({ issuer, subject: "U1", name: "n", issuedAtMs: 1_700_000_000_999, expiresAtMs: 1_700_000_100_000, nats: { type: "user" } });
  const [head = "", claims = "", signature = ""] = token.split(".");
  expect(JSON.parse(Buffer.from(head, "base64url").toString())).toEqual({ typ: "JWT", alg: "ed25519-nkey" });
  expect(JSON.parse(Buffer.from(claims, "base64url").toString())).toMatchObject({ iat: 1_700_000_000, exp: 1_700_000_100, iss: issuer.publicText, sub: "U1" });
  const verifies = (signed: string): boolean => nkeys.fromPublic(issuer.publicText).verify(utf8(signed), Buffer.from(signature, "base64url"));
  expect(verifies(`${head}.${claims}`)).toBe(true);
  expect(verifies(`${head}.${claims.slice(0, -1)}A`)).toBe(false);
});
