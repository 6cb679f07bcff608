/** Branded identifiers: strings that were checked once and cannot be swapped by mistake. */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

/** `h-` + base32 of the first 10 bytes of SHA-256 of the host's signing key: 16 letters. It cannot be squatted. */
export type HostId = Branded<"HostId">;
/** `f-` + base32 of 10 random bytes, fixed in root version 1. */
export type FleetId = Branded<"FleetId">;
/** base32 of the first 16 bytes of SHA-256 of a public key: 26 letters. */
export type KeyId = Branded<"KeyId">;
/** Lower-case hex SHA-256 of a blob's bytes. */
export type Sha256 = Branded<"Sha256">;

/** Random ids given by the hub: challenges, enrollment requests, sessions, events. */
export const OPAQUE_ID = /^[a-z0-9][a-z0-9_-]{0,63}$/;
export const HOST_ID = /^h-[a-z2-7]{16}$/;
export const FLEET_ID = /^f-[a-z2-7]{16}$/;
export const KEY_ID = /^[a-z2-7]{26}$/;
export const SHA256_HEX = /^[0-9a-f]{64}$/;
/** Host names, label keys, state names, users: short ASCII, never a path. */
export const NAME = /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/;

export const isHostId = (text: string): text is HostId => HOST_ID.test(text);
export const isFleetId = (text: string): text is FleetId => FLEET_ID.test(text);
export const isKeyId = (text: string): text is KeyId => KEY_ID.test(text);
export const isSha256 = (text: string): text is Sha256 => SHA256_HEX.test(text);
