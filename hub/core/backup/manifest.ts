/**
 * What a backup says of itself: every file with size and SHA-256, and where fleet, audit log and epoch stood. Two lines: the JSON and its
 * own SHA-256, so that a torn or flipped manifest is told from a whole one. It guards against damage, not against a forger: a backup is as
 * trusted as the disk it lies on, and what a fleet obeys is signed inside it.
 */
import * as z from "zod/mini";
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { sha256Hex as sha256HexOf } from "../../../shared/core/sha256.ts";
import { counter, sha256Hex, text, wallMs } from "../../../shared/protocol/fields.ts";

export const BACKUP_FORMAT = "felhom-hub-backup/1";
export const MANIFEST_NAME = "manifest.json";
export const DATABASE_NAME = "hub.db";
export const MANIFEST_BYTES_MAX = 64 * 1024 * 1024;

/** The only names that may be in a backup besides its manifest: so an archive cannot write anywhere else. */
export const BACKUP_PATH = /^(?:hub\.db|tls\/(?:key|cert)\.pem|nats\/keys\.json|nats\/tls\/(?:key|cert)\.pem|blobs\/[0-9a-f]{2}\/[0-9a-f]{64})$/;

const file = z.strictObject({ path: z.string().check(z.regex(BACKUP_PATH)), size: counter, sha256: sha256Hex });

export const backupManifest = z.strictObject({
  format: z.literal(BACKUP_FORMAT),
  created_at: wallMs,
  felhom_version: text(64),
  schema: counter,
  fleet_id: z.nullable(text(32)),
  fleet_name: z.nullable(text(64)),
  root_version: counter,
  bundle: counter,
  hosts: counter,
  hub_epoch: counter,
  audit: z.strictObject({ seq: counter, hash: sha256Hex }),
  files: z.array(file).check(z.maxLength(1_000_000)),
});
export type BackupManifest = z.infer<typeof backupManifest>;

export function encodeManifest(manifest: BackupManifest): Uint8Array {
  const body = JSON.stringify(manifest);
  return utf8(`${body}\n${sha256HexOf(utf8(body))}\n`);
}

/** Throws `backup_damaged`, or `db_newer` for a format of a later felhom. */
export function decodeManifest(bytes: Uint8Array): BackupManifest {
  const lines = textOf(bytes).split("\n");
  const [body = "", hash = "", end] = lines;
  if (lines.length !== 3 || end !== "" || sha256HexOf(utf8(body)) !== hash) throw damaged("its manifest is torn or altered");
  const json: unknown = JSON.parse(body);
  const format = z.object({ format: z.string() }).safeParse(json);
  if (format.success && format.data.format !== BACKUP_FORMAT)
    throw new Fault("db_newer", `Cannot read this backup: its format is ${format.data.format.slice(0, 64)}, this felhom knows ${BACKUP_FORMAT}`);
  const parsed = backupManifest.safeParse(json);
  if (!parsed.success) throw damaged("its manifest is not of the known form");
  const paths = parsed.data.files.map(({ path }) => path);
  if (new Set(paths).size !== paths.length || !paths.includes(DATABASE_NAME)) throw damaged("its manifest names a file twice, or no database");
  return parsed.data;
}

export function damaged(because: string): Fault {
  return new Fault("backup_damaged", `Cannot use this backup: ${because}`, { remedy: "Use another backup. Nothing was changed." });
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    return ""; // not UTF-8: refused as torn
  }
}
