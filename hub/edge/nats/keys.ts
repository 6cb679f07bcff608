/**
 * The keys of the hub's NATS account, made when they are first needed, in `nats/keys.json` (0600) of its data directory. They say who may
 * speak on which subject of the bus and nothing else: no box obeys anything for their sake. Whoever steals them can read and hold
 * up what goes over the bus, which a hub can do anyway.
 */
import { fromHex, fromUtf8, hex, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import type { World } from "../../../shared/ports/world.ts";
import { type Nkey, nkeyFromSeed } from "../../core/nats/nkey.ts";

const KEYS_BYTES_MAX = 4_096;
const SEED_BYTES = 32;
const NAMES = ["operator", "account", "signing", "system"] as const;

export interface NatsKeys {
  /** Of the NATS server's configuration; signs the accounts. Not an operator of the fleet. */
  readonly operator: Nkey;
  readonly account: Nkey;
  /** Signs the users of the account. */
  readonly signing: Nkey;
  readonly system: Nkey;
}

export const natsDir = (dataDir: string): string => `${dataDir}/nats`;
const keysPath = (dataDir: string): string => `${natsDir(dataDir)}/keys.json`;

export function hasNatsKeys(world: World, dataDir: string): boolean {
  return world.files.stat("nats.keys", keysPath(dataDir)) !== undefined;
}

export function natsKeys(world: World, dataDir: string): NatsKeys {
  if (!hasNatsKeys(world, dataDir)) makeKeys(world, dataDir);
  const path = keysPath(dataDir);
  const seeds = readSeeds(fromUtf8(world.files.read("nats.keys", path, { bytesMax: KEYS_BYTES_MAX })));
  if (seeds === undefined) {
    throw new Fault("file_unsafe", `Cannot use ${path}: it is damaged`, {
      remedy: "Restore it from a backup; or remove it, run felhom hub nats-config again and give the new file to every nats-server",
    });
  }
  const [operator, account, signing, system] = seeds;
  return {
    operator: nkeyFromSeed("operator", operator),
    account: nkeyFromSeed("account", account),
    signing: nkeyFromSeed("account", signing),
    system: nkeyFromSeed("account", system),
  };
}

function makeKeys(world: World, dataDir: string): void {
  const dir = natsDir(dataDir);
  if (world.files.stat("nats.dir", dir) === undefined) world.files.makeDir("nats.dir", dir, 0o700);
  const seeds = Object.fromEntries(NAMES.map((name) => [name, hex(world.crypto.randomBytes(SEED_BYTES))]));
  durableWrite(world.files, world.crypto, "nats.keys", keysPath(dataDir), utf8(`${JSON.stringify({ v: 1, ...seeds })}\n`), { mode: 0o600 });
}

function readSeeds(text: string): readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array] | undefined {
  const value = parse(text);
  const [operator, account, signing, system] = NAMES.map((name) => {
    const spelled = value[name];
    const seed = typeof spelled === "string" ? fromHex(spelled) : undefined;
    return seed?.byteLength === SEED_BYTES ? seed : undefined;
  });
  return operator === undefined || account === undefined || signing === undefined || system === undefined ? undefined : [operator, account, signing, system];
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? { ...value } : {};
  } catch {
    return {}; // the caller says that the file is damaged
  }
}
