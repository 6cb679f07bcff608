/**
 * A bundle's manifest: the whole list of its files, signed. Versions only grow and by a bounded step, so that neither an old
 * bundle nor one fast-forwarded to the end of numbers can stick. Expiry is for what arrives; what is already in force stays in
 * force when it expires (offline-first) and is shown as old.
 */
import { sha256Hex } from "../core/sha256.ts";
import type { Envelope } from "./envelope.ts";
import { BUNDLE_STEP_MAX, type BundlePayload, bundlePayload } from "./payloads.ts";
import type { TrustedRoot } from "./root.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";
import { verifyByRole } from "./verify.ts";

export const BUNDLE_LIFETIME_MS_MAX = 366 * 24 * 3_600_000;
/** How far ahead of a plausible clock a bundle may be dated. Wide, because a box without a working clock must still take the bundle that mends it. */
export const BUNDLE_AHEAD_MS_MAX = 30 * 24 * 3_600_000;

export interface NewBundle {
  readonly envelope: Envelope;
  readonly root: TrustedRoot;
  /** The highest version ever accepted here; 0 for none. */
  readonly floor: number;
  readonly nowMs: number;
  /** The largest signed time ever accepted here (trust.md, time floor): a clock that lies before it is wrong. */
  readonly timeFloorMs?: number;
}

/** A bundle that arrives. */
export function verifyBundle({ envelope, root, floor, nowMs, timeFloorMs = 0 }: NewBundle): Verdict<BundlePayload> {
  const held = verifyHeldBundle({ envelope, root });
  if (!held.ok) return held;
  const { version, created_at, expires_at } = held.value;
  if (version < floor) return refuse("below_floor", `version ${version}, and ${floor} was already accepted`);
  if (version === floor) return refuse("version_not_newer", `version ${version} is the one in force`);
  if (version - floor > BUNDLE_STEP_MAX) return refuse("version_step", `version ${version} after ${floor}`);
  if (Math.max(nowMs, timeFloorMs) >= expires_at) return refuse("expired", `bundle ${version} expired`);
  const clockIsPlausible = nowMs >= Math.max(timeFloorMs, root.payload.created_at);
  if (clockIsPlausible && created_at > nowMs + BUNDLE_AHEAD_MS_MAX)
    return refuse("from_future", `bundle ${version} is dated ${created_at - nowMs} ms ahead of this clock`);
  return held;
}

/** A bundle that was accepted before and is loaded again: everything but order and time, against the current root. */
export function verifyHeldBundle({ envelope, root }: { readonly envelope: Envelope; readonly root: TrustedRoot }): Verdict<BundlePayload> {
  const verified = verifyByRole({ envelope, type: "bundle", root, role: "publish", schema: bundlePayload });
  if (!verified.ok) return verified;
  const payload = verified.value.value;
  if (payload.expires_at <= payload.created_at) return refuse("payload_schema", "it expires before it was made");
  if (payload.expires_at - payload.created_at > BUNDLE_LIFETIME_MS_MAX) return refuse("lifetime_too_long", "a bundle lives at most 366 days");
  return checkFiles(payload);
}

export function bundleExpired(bundle: BundlePayload, nowMs: number): boolean {
  return nowMs >= bundle.expires_at;
}

/** No path twice, none that is both a file and a directory, no blob with two sizes. */
export function checkFiles(bundle: BundlePayload): Verdict<BundlePayload> {
  const files = new Set<string>();
  const sizes = new Map<string, number>();
  for (const { path, sha256, size } of bundle.files) {
    if (files.has(path)) return refuse("path_unsafe", `${path} is listed twice`);
    files.add(path);
    if ((sizes.get(sha256) ?? size) !== size) return refuse("blob_mismatch", `${path} has a second size for one content`);
    sizes.set(sha256, size);
  }
  for (const path of files) {
    for (let slash = path.indexOf("/"); slash >= 0; slash = path.indexOf("/", slash + 1)) {
      const parent = path.slice(0, slash);
      if (files.has(parent)) return refuse("path_unsafe", `${parent} is a file and a directory`);
    }
  }
  return accept(bundle);
}

interface Content {
  readonly sha256: string;
  readonly size: number;
}

/** A blob's bytes against its manifest entry. */
export function checkBlob(file: Content & { readonly path: string }, bytes: Uint8Array): Verdict<Uint8Array> {
  if (bytes.byteLength !== file.size) return refuse("blob_mismatch", `${file.path} has ${bytes.byteLength} bytes, the manifest says ${file.size}`);
  return sha256Hex(bytes) === file.sha256 ? accept(bytes) : refuse("blob_mismatch", `${file.path} has another SHA-256`);
}

/** A whole staged tree against its manifest: `found` is what was measured, by path. What is not listed must not be there. */
export function checkTree(bundle: BundlePayload, found: ReadonlyMap<string, Content>): Verdict<BundlePayload> {
  const listed = new Set<string>();
  for (const { path, sha256, size } of bundle.files) {
    listed.add(path);
    const content = found.get(path);
    if (content === undefined) return refuse("blob_missing", path);
    if (content.sha256 !== sha256 || content.size !== size) return refuse("blob_mismatch", path);
  }
  const extra = [...found.keys()].find((path) => !listed.has(path));
  return extra === undefined ? accept(bundle) : refuse("path_unsafe", `${extra} is not in the manifest`);
}
