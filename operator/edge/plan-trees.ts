import { fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import type { Files } from "../../shared/ports/files.ts";
import type { FleetSources } from "../../shared/states/fleet-directory.ts";
import { isRenderSource, readFleetSources } from "../../shared/states/fleet-directory.ts";
import type { Checked } from "../../shared/states/state-fault.ts";
import { good } from "../../shared/states/state-fault.ts";
import type { BundlePayload } from "../../shared/trust/payloads.ts";
import type { Tree } from "../core/plan/compare-resources.ts";
import { hashFleet } from "./fleet-tree.ts";
import { getBlob } from "./hub-api.ts";
import type { Session } from "./session.ts";
import { verifiedBundle } from "./verified-bundle.ts";

/**
 * The two trees that a plan compares: the directory here, and bundles as the operators signed them. Of a bundle only the texts
 * that rendering reads are fetched, each compared with the hash in the verified manifest; other files are known by their
 * hash, and fetched only to show a diff.
 */
export interface PlanTree extends Tree, FleetSources {}

const DIFF_BYTES_MAX = 64 * 1024;
const SOURCE_BYTES_MAX = 4 * 1024 * 1024;
const AT_ONCE = 8;

export function directoryTree(files: Files, dir: string): Checked<PlanTree> {
  const sources = readFleetSources(files, dir);
  if (!sources.ok) return sources;
  const hashed = hashFleet(files, dir);
  if (!hashed.ok) return hashed;
  const byPath = new Map(hashed.value.files.map((file) => [file.path, file]));
  const textOf = async (path: string) => {
    const file = byPath.get(path);
    return file === undefined || file.size > DIFF_BYTES_MAX ? undefined : textFrom(files.read("plan.read", `${dir}/${path}`, { bytesMax: DIFF_BYTES_MAX }));
  };
  return good({ ...sources.value, sha256Of: (path) => byPath.get(path)?.sha256, textOf });
}

export const EMPTY_TREE: PlanTree = { sources: {}, paths: [], sha256Of: () => undefined, textOf: async () => undefined };

/** Throws a `Fault` when the manifest or a file of it does not verify: a plan against something else would be a lie. */
export async function bundleTree(session: Pick<Session, "hub" | "root">, version: number): Promise<PlanTree> {
  const { payload } = await verifiedBundle(session, version);
  const byPath = new Map(payload.files.map((file) => [file.path, file]));
  const sources: Record<string, string> = Object.create(null);
  const queue = payload.files.filter(({ path }) => isRenderSource(path));
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const text = textFrom(await blob(session, version, file, SOURCE_BYTES_MAX));
      if (text === undefined) throw new Fault("refused", `Cannot plan against bundle ${version}: ${file.path} is not UTF-8`);
      sources[file.path] = text;
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, queue.length) }, worker));
  const texts = new Map<string, Promise<string | undefined>>();
  const textOf = (path: string) => {
    const file = byPath.get(path);
    if (file === undefined || file.size > DIFF_BYTES_MAX) return Promise.resolve(undefined);
    const known = texts.get(path) ?? blob(session, version, file, DIFF_BYTES_MAX).then(textFrom);
    texts.set(path, known);
    return known;
  };
  return { sources, paths: [...byPath.keys()], sha256Of: (path) => byPath.get(path)?.sha256, textOf };
}

async function blob({ hub }: Pick<Session, "hub">, version: number, file: BundlePayload["files"][number], bytesMax: number): Promise<Uint8Array> {
  const bytes = await getBlob(hub, file.sha256, Math.min(bytesMax, Math.max(1, file.size)));
  if (sha256Hex(bytes) !== file.sha256)
    throw new Fault("refused", `Cannot believe the hub about ${file.path} of bundle ${version}: its bytes are not those that were signed`, {
      facts: { refusal: "blob_mismatch" },
    });
  return bytes;
}

function textFrom(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return fromUtf8(bytes);
  } catch {
    return undefined;
  }
}
