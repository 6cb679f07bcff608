/**
 * The box's own keys: made here, 0600, on the platter before anything of them is sent (faults.md E05), never leaving this
 * directory. A key file that others could read or write is refused when it is loaded (attack 42).
 */
import { fromHex, fromUtf8, hex, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import type { World } from "../../../shared/ports/world.ts";
import { type BoxKey, boxKeyFromSeed, SEED_BYTES, type SigningKey, signingKeyFromSeed } from "../../../shared/trust/keys.ts";
import { paths } from "../../core/desired/paths.ts";

export interface Identity {
  readonly signingKey: SigningKey;
  readonly boxKey: BoxKey;
  /** Made by a rotation; whichever of the two the certificate names is the one in use. */
  readonly nextBoxKey?: BoxKey;
}

/** Makes what is missing. A half-made pair (a crash between the two) is completed: no key was sent yet. */
export function ensureIdentity(world: World, dataDir: string): { readonly identity: Identity; readonly isNew: boolean } {
  const at = paths(dataDir);
  const isNew = [at.signingKey, at.boxKey].map((path) => ensureSeed(world, path)).includes(true);
  return { identity: loadIdentity(world, dataDir), isNew };
}

export function loadIdentity(world: World, dataDir: string): Identity {
  const at = paths(dataDir);
  const hasNext = world.files.stat("identity.check", at.nextBoxKey) !== undefined;
  return {
    signingKey: signingKeyFromSeed(readSeed(world, at.signingKey)),
    boxKey: boxKeyFromSeed(readSeed(world, at.boxKey)),
    ...(hasNext ? { nextBoxKey: boxKeyFromSeed(readSeed(world, at.nextBoxKey)) } : {}),
  };
}

function ensureSeed(world: World, path: string): boolean {
  if (world.files.stat("identity.check", path) !== undefined) return false;
  durableWrite(world.files, world.crypto, "identity.write", path, utf8(`${hex(world.crypto.randomBytes(SEED_BYTES))}\n`), { mode: 0o600 });
  return true;
}

function readSeed(world: World, path: string): Uint8Array {
  const stat = world.files.stat("identity.check", path);
  if (stat !== undefined && (stat.mode & 0o077) !== 0)
    throw new Fault("file_unsafe", `Cannot use ${path}: others can read or write it`, { remedy: `chmod 600 ${path}` });
  if (stat !== undefined && stat.uid !== world.self.uid)
    throw new Fault("file_unsafe", `Cannot use ${path}: it belongs to user ${stat.uid}`, { remedy: `chown ${world.self.uid} ${path}` });
  const seed = fromHex(fromUtf8(world.files.read("identity.read", path, { bytesMax: 1_024 })).trim());
  if (seed?.byteLength !== SEED_BYTES) throw new Fault("file_not_regular", `Cannot use ${path}: it is not a key`);
  return seed;
}
