/**
 * NKeys: how NATS spells Ed25519 keys (github.com/nats-io/nkeys, strkey.go and crc16.go; docs.nats.io, "NKeys"). Base32 of a prefix that
 * says whose key it is, the 32 bytes, and a CRC-16/XMODEM, low byte first; a seed carries two prefixes. The official package draws
 * its own randomness; ours comes from the World, so only the spelling is done here. These are keys of a message bus: nothing that
 * a box obeys is signed with them.
 */
import { base32, concat } from "../../../shared/core/bytes.ts";
import { type SigningKey, signingKeyFromSeed } from "../../../shared/trust/keys.ts";

/** Prefix bytes: the first letter of what they spell. */
const PREFIX = { operator: 14 << 3, account: 0, user: 20 << 3 } as const;
const SEED_PREFIX = 18 << 3;

export type NkeyKind = keyof typeof PREFIX;

export interface Nkey {
  readonly kind: NkeyKind;
  /** `O…`, `A…` or `U…`. */
  readonly publicText: string;
  /** `SO…`, `SA…` or `SU…`. */
  readonly seedText: string;
  readonly key: SigningKey;
}

export function nkeyFromSeed(kind: NkeyKind, seed: Uint8Array): Nkey {
  const key = signingKeyFromSeed(seed);
  return { kind, publicText: spell(Uint8Array.of(PREFIX[kind]), key.publicKey), seedText: spell(seedPrefix(kind), seed), key };
}

/** Five bits of each prefix lie across two bytes, so that both letters can be read. */
function seedPrefix(kind: NkeyKind): Uint8Array {
  return Uint8Array.of(SEED_PREFIX | (PREFIX[kind] >> 5), (PREFIX[kind] & 31) << 3);
}

function spell(prefix: Uint8Array, bytes: Uint8Array): string {
  const body = concat(prefix, bytes);
  const sum = crc16(body);
  return base32(concat(body, Uint8Array.of(sum & 0xff, sum >> 8))).toUpperCase();
}

function crc16(bytes: Uint8Array): number {
  let sum = 0;
  for (const byte of bytes) {
    sum ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) sum = ((sum << 1) ^ ((sum & 0x8000) === 0 ? 0 : 0x1021)) & 0xffff;
  }
  return sum;
}
