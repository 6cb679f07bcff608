/** What every `Crypto` promises: bytes as many as asked for, and Ed25519's own verdict, which never comes as a rejection. */
import { describe, expect, test } from "bun:test";
import { utf8 } from "../../core/bytes.ts";
import type { Crypto } from "../../ports/crypto.ts";
import { sign, verifySignature } from "../../trust/keys.ts";
import { testKey } from "../test-fleet.ts";

export function cryptoContract(adapter: string, make: () => Crypto): void {
  describe(`crypto (${adapter})`, () => {
    test("gives as many bytes as asked for, above one call's limit too", () => {
      for (const count of [0, 1, 32, 70_000]) expect(make().randomBytes(count).byteLength).toBe(count);
    });

    test("says of each signature what the one that is looked at at once says, many at a time", async () => {
      const { verify } = make();
      const key = testKey("a");
      const asked = Array.from({ length: 200 }, (_, at) => {
        const bytes = utf8(`message ${at}`);
        const signature = sign(key, bytes);
        // Every fourth is sound; the others have another message, a bit of the signature, or another key.
        if (at % 4 === 1) return { key: key.publicKey, bytes: utf8("another"), signature };
        if (at % 4 === 2) signature[at % 64] = (signature[at % 64] ?? 0) ^ 1;
        return { key: at % 4 === 3 ? testKey("b").publicKey : key.publicKey, bytes, signature };
      });
      const said = await Promise.all(asked.map((one) => verify(one.key, one.bytes, one.signature)));
      expect(said).toEqual(asked.map((one) => verifySignature(one.key, one.bytes, one.signature)));
      expect(said.filter(Boolean).length).toBe(50);
    });

    test("false, not a rejection, for a key that is no point of the curve", async () => {
      const signature = sign(testKey("a"), utf8("x"));
      for (let fill = 2; fill < 20; fill += 1) expect(await make().verify(new Uint8Array(32).fill(fill), utf8("x"), signature)).toBe(false);
    });
  });
}
