import { Fault } from "../../shared/core/fault.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import type { Files } from "../../shared/ports/files.ts";
import { sha256Hex as sha256Schema } from "../../shared/protocol/fields.ts";
import { BUNDLE_BYTES_MAX, FILE_BYTES_MAX, listFleet } from "../../shared/states/fleet-directory.ts";
import { faulty, good, type Checked } from "../../shared/states/state-fault.ts";
import type { BundlePayload } from "../../shared/trust/payloads.ts";
import type { Blob } from "./upload-blobs.ts";

/** A fleet directory as a manifest lists it. One file at a time is in memory; contents are read again when they are uploaded. */
export interface FleetTree {
  readonly files: BundlePayload["files"];
  readonly blobs: readonly Blob[];
  readonly bytes: number;
}

export function hashFleet(files: Files, dir: string): Checked<FleetTree> {
  const listed = listFleet(files, dir);
  if (!listed.ok) return listed;
  const bytes = listed.value.reduce((sum, { size }) => sum + size, 0);
  if (bytes > BUNDLE_BYTES_MAX)
    return faulty({ file: dir, line: 0, path: "", message: `the fleet has ${bytes} bytes, at most ${BUNDLE_BYTES_MAX} go into a bundle` });
  const read = (path: string): Uint8Array => files.read("publish.read", `${dir}/${path}`, { bytesMax: FILE_BYTES_MAX });
  const hashed = listed.value.map(({ path, mode }) => {
    const content = read(path);
    return { path, mode, sha256: sha256Schema.parse(sha256Hex(content)), size: content.byteLength };
  });
  return good({ files: hashed, blobs: hashed.map(({ path, sha256, size }) => ({ path, sha256, size, read: () => read(path) })), bytes });
}

/** Faults of a fleet directory end a command; `felhom check` shows them at leisure. */
export function fleetFault(faults: readonly { readonly file: string; readonly line: number; readonly message: string }[], dir: string): Fault {
  const [first] = faults;
  const where = first === undefined ? "" : `${first.file}${first.line === 0 ? "" : `:${first.line}`}: ${first.message}`;
  return new Fault("bad_request", `Cannot use the fleet directory ${dir}: ${where}${faults.length > 1 ? `, and ${faults.length - 1} more` : ""}`, {
    remedy: `felhom check ${dir} shows all of them.`,
  });
}
