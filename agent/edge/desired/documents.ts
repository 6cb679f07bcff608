/**
 * Desired state as it lies on disk, twice: rows of agent.db and snapshot.msgpack, each with its own checksum. This file reads
 * and writes both; whether what was read may be believed is verify-desired.ts's question.
 */
import { decode, encode } from "@msgpack/msgpack";
import * as z from "zod/mini";
import { concat, sameBytes, utf8 } from "../../../shared/core/bytes.ts";
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { sha256, sha256Hex } from "../../../shared/core/sha256.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { World } from "../../../shared/ports/world.ts";
import { counter, envelope, wallMs } from "../../../shared/protocol/fields.ts";
import { hostSpec } from "../../../shared/protocol/spec.ts";
import { paths } from "../../core/desired/paths.ts";
import { heldFields } from "../../core/worker/messages.ts";
import { AGENT_MIGRATIONS } from "../store/migrations.ts";

export const SNAPSHOT_BYTES_MAX = 64 * 1024 * 1024;
const MAGIC = utf8("felhom snapshot 1\n");
const HASH_BYTES = 32;

/** Resources are kept as the renderer gave them: the converge side checks them again when it enforces them. */
const lastGood = z.object({ bundle: counter, resources: z.array(z.unknown()) });

export const documents = z.object({
  /** The whole chain, from version 1. */
  roots: z.array(envelope),
  identity: z.optional(z.union([z.object({ cert: envelope }), z.object({ grant: envelope, admission: envelope })])),
  bundle: z.optional(envelope),
  candidate: z.optional(envelope),
  spec: z.optional(hostSpec),
  /** What of the spec waits for a signature. */
  awaiting: z.optional(z.object({ generation: counter, fields: heldFields })),
  lastGood: z.optional(lastGood),
  /** Highest bundle version and largest signed time ever accepted: neither ever falls. */
  floor: z.object({ bundle: counter, timeMs: wallMs }),
});
export type Documents = z.infer<typeof documents>;

export const NO_DOCUMENTS: Documents = { roots: [], floor: { bundle: 0, timeMs: 0 } };

const KINDS = ["roots", "identity", "bundle", "candidate", "spec", "awaiting", "lastGood", "floor"] as const satisfies readonly (keyof Documents)[];

export function openAgentDb(world: World, dataDir: string): Database {
  return world.databases.open("desired.open", paths(dataDir).database, { migrations: AGENT_MIGRATIONS });
}

/** `undefined` when the database holds no documents yet. Throws `db_damaged` when one of them is not what was written. */
export function readFromDatabase(database: Database): Documents | undefined {
  const rows = database.all<{ kind: string; body: string; sha256: string }>("desired.read", "SELECT kind, body, sha256 FROM document");
  const found: Partial<Record<string, unknown>> = {};
  for (const { kind, body, sha256: wanted } of rows) {
    if (sha256Hex(utf8(body)) !== wanted) throw new Fault("db_damaged", `Cannot use the stored ${kind}: its checksum does not fit`);
    found[kind] = JSON.parse(body);
  }
  if (found["roots"] === undefined) return undefined;
  return parse(found, "agent.db");
}

/** Writes only what changed. */
export function writeToDatabase(database: Database, value: Documents): void {
  const stored = new Map(
    database.all<{ kind: string; sha256: string }>("desired.compare", "SELECT kind, sha256 FROM document").map((row) => [row.kind, row.sha256]),
  );
  for (const kind of KINDS) {
    const part = value[kind];
    if (part === undefined) {
      if (stored.has(kind)) database.run("desired.forget", "DELETE FROM document WHERE kind = ?", kind);
      continue;
    }
    const body = JSON.stringify(part);
    const hash = sha256Hex(utf8(body));
    if (stored.get(kind) === hash) continue;
    const sql = "INSERT INTO document (kind, body, sha256) VALUES (?, ?, ?) ON CONFLICT (kind) DO UPDATE SET body = excluded.body, sha256 = excluded.sha256";
    database.run("desired.write", sql, kind, body, hash);
  }
}

export function readFromSnapshot(world: World, dataDir: string): Documents | undefined {
  let bytes: Uint8Array;
  try {
    bytes = world.files.read("snapshot.read", paths(dataDir).snapshot, { bytesMax: SNAPSHOT_BYTES_MAX });
  } catch (error) {
    if (isFault(error, "file_missing")) return undefined;
    throw error;
  }
  const head = MAGIC.byteLength + HASH_BYTES;
  const body = bytes.subarray(head);
  const isWhole =
    bytes.byteLength > head && sameBytes(bytes.subarray(0, MAGIC.byteLength), MAGIC) && sameBytes(bytes.subarray(MAGIC.byteLength, head), sha256(body));
  if (!isWhole) throw new Fault("db_damaged", "Cannot use snapshot.msgpack: its checksum does not fit");
  return parse(decode(body), "snapshot.msgpack");
}

export function writeToSnapshot(world: World, dataDir: string, value: Documents): void {
  const body = encode(value, { ignoreUndefined: true });
  durableWrite(world.files, world.crypto, "snapshot.write", paths(dataDir).snapshot, concat(MAGIC, sha256(body), body), { mode: 0o600 });
}

/** Both copies, the database's transaction around the snapshot so that two workers cannot interleave. Says which copy could not be written. */
export function writeBoth(world: World, dataDir: string, change: (stored: Documents | undefined) => Documents): readonly string[] {
  let database: Database | undefined;
  try {
    database = openAgentDb(world, dataDir);
    const open = database;
    open.transaction("desired.save", () => {
      const value = change(readQuietly(open));
      writeToDatabase(open, value);
      writeToSnapshot(world, dataDir, value);
    });
    return [];
  } catch (error) {
    if (!isFault(error) || !error.code.startsWith("db_")) throw error;
    // The snapshot alone still carries what was verified; the next start finds the database damaged and says so.
    writeToSnapshot(world, dataDir, change(undefined));
    return [`agent.db could not be written: ${error.message}`];
  } finally {
    database?.close();
  }
}

/** What the other worker may have stored meanwhile; a row that is damaged is about to be overwritten. */
function readQuietly(database: Database): Documents | undefined {
  try {
    return readFromDatabase(database);
  } catch (error) {
    if (isFault(error, "db_damaged")) return undefined;
    throw error;
  }
}

function parse(value: unknown, where: string): Documents {
  const parsed = z.safeParse(documents, value);
  if (!parsed.success)
    throw new Fault("db_damaged", `Cannot use ${where}: ${parsed.error.issues[0]?.path.map(String).join(".") ?? ""} is not as it was written`);
  return parsed.data;
}
