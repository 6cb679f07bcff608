import { Fault } from "../../../shared/core/fault.ts";
import { BUNDLE_LIFETIME_MS_MAX, checkFiles } from "../../../shared/trust/bundle.ts";
import { BUNDLE_PATH, PAYLOAD_BYTES_MAX, type BundlePayload } from "../../../shared/trust/payloads.ts";
import type { TrustedRoot } from "../../../shared/trust/root.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import { byteSize } from "../../../shared/cli/age.ts";

/** The manifest that is about to be signed: the whole list of files, in order of path, so that one tree gives one text. */
export const EXPIRES_MS_DEFAULT = 90 * 86_400_000;
export const MESSAGE_CHARS_MAX = 512;

export interface ManifestParts {
  readonly root: TrustedRoot;
  readonly version: number;
  readonly nowMs: number;
  readonly lifetimeMs: number;
  readonly message: string;
  readonly files: BundlePayload["files"];
  readonly secrets: BundlePayload["secrets"];
}

export function makeManifest(parts: ManifestParts): BundlePayload {
  if (parts.lifetimeMs < 3_600_000 || parts.lifetimeMs > BUNDLE_LIFETIME_MS_MAX)
    throw new Fault("bad_request", "Cannot publish with this lifetime", { remedy: "--expires takes 1h to 366d." });
  const unusable = parts.files.find(({ path }) => !BUNDLE_PATH.test(path) || path.length > 512);
  if (unusable !== undefined)
    throw new Fault("bad_request", `Cannot publish ${unusable.path}: such a name can't be in a bundle`, {
      remedy: "Names have letters, digits, spaces and _ @ . + - only; rename it or keep it out of the fleet directory.",
    });
  const payload: BundlePayload = {
    v: 1,
    fleet_id: parts.root.payload.fleet_id,
    version: parts.version,
    created_at: parts.nowMs,
    expires_at: parts.nowMs + parts.lifetimeMs,
    message: parts.message.slice(0, MESSAGE_CHARS_MAX),
    files: parts.files.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    secrets: parts.secrets,
  };
  const sound = checkFiles(payload);
  if (!sound.ok) throw new Fault("bad_request", `Cannot publish: ${sound.detail}`);
  const size = utf8(JSON.stringify(payload)).byteLength;
  if (size > PAYLOAD_BYTES_MAX.bundle)
    throw new Fault("too_large", `Cannot publish: the manifest has ${byteSize(size)}, and ${byteSize(PAYLOAD_BYTES_MAX.bundle)} are allowed`, {
      remedy: "Fewer files, or secrets for fewer hosts.",
    });
  return payload;
}

/** Above what the hub shows and above what this workstation ever signed: a hub that hides the newest bundle must not make one number mean two trees. */
export function nextVersion(atHub: number, signedHere: number): number {
  return Math.max(atHub, signedHere) + 1;
}
