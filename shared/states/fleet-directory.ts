import { fromUtf8 } from "../core/bytes.ts";
import { isFault } from "../core/fault.ts";
import type { Files } from "../ports/files.ts";
import { BUNDLE_PATH } from "../trust/payloads.ts";
import type { Sources } from "./fleet-documents.ts";
import type { Checked, StateFault } from "./state-fault.ts";
import { faulty, good } from "./state-fault.ts";

/**
 * Reads a fleet directory (the operator's git checkout, or a bundle's verified tree) into memory, with bounds. What belongs
 * to a fleet: fleet.yaml, targets.yaml, secrets.yaml, and all below states/, settings/ and files/. Everything else in there
 * (README, .git, .felhom, facts/) is nobody's business and goes into no bundle. Symbolic links are refused: what a bundle
 * carries must be what git shows.
 */
export const FLEET_FILES = ["fleet.yaml", "targets.yaml", "secrets.yaml"] as const;
export const FLEET_FOLDERS = ["files", "settings", "states"] as const;
export const FILES_MAX = 20_000;
export const FILE_BYTES_MAX = 256 * 1024 * 1024;
export const BUNDLE_BYTES_MAX = 1024 * 1024 * 1024;
/** All sources together: what a render child is given. */
export const SOURCE_BYTES_MAX = 32 * 1024 * 1024;
const SOURCE_FILE_BYTES_MAX = 4 * 1024 * 1024;
const DEPTH_MAX = 16;

/** Files whose text decides what is rendered, as against those that are only copied. */
export const isRenderSource = (path: string): boolean =>
  FLEET_FILES.some((name) => name === path) || /^(?:states\/.+\.(?:yaml|ts)|settings\/.+\.yaml|files\/.+\.liquid)$/.test(path);

export interface FleetPath {
  /** Relative, `/`-separated. */
  readonly path: string;
  /** 0o755 when the owner may execute it, else 0o644. */
  readonly mode: number;
  readonly size: number;
}

export interface FleetSources {
  readonly sources: Sources;
  /** Every path of the fleet, sorted by code unit. */
  readonly paths: readonly string[];
}

/** What is there, sorted, without reading contents. */
export function listFleet(files: Files, dir: string): Checked<readonly FleetPath[]> {
  const found: FleetPath[] = [];
  const faults: StateFault[] = [];
  const fault = (file: string, message: string, remedy?: string) =>
    faults.push({ file, line: 0, path: "", message, ...(remedy === undefined ? {} : { remedy }) });
  const visit = (path: string, depth: number): void => {
    if (found.length > FILES_MAX || faults.length > 100) return;
    const stat = files.stat("fleet.stat", `${dir}/${path}`);
    if (stat === undefined) return;
    if (!BUNDLE_PATH.test(path)) return void fault(path, "has a name that a bundle cannot carry", "Use letters, digits, spaces and _ @ . + - in names.");
    if (stat.kind === "directory") {
      if (depth > DEPTH_MAX) return void fault(path, `lies deeper than ${DEPTH_MAX} folders`);
      for (const name of files.list("fleet.list", `${dir}/${path}`)) visit(`${path}/${name}`, depth + 1);
    } else if (stat.kind !== "file")
      fault(
        path,
        `is a ${stat.kind === "symlink" ? "symbolic link" : "device, pipe or socket"}: a bundle carries regular files only`,
        "Put a copy of the file there.",
      );
    else if (stat.size > FILE_BYTES_MAX) fault(path, `has ${stat.size} bytes, at most ${FILE_BYTES_MAX} are carried`);
    else if (isSurplus(path))
      fault(path, "is neither .yaml nor .ts", path.startsWith("settings/") ? "Settings are .yaml files." : "States are .yaml or .ts files.");
    else found.push({ path, mode: (stat.mode & 0o100) === 0 ? 0o644 : 0o755, size: stat.size });
  };
  const top = files.stat("fleet.stat", dir, { follow: true });
  if (top?.kind !== "directory")
    return faulty({ file: dir, line: 0, path: "", message: top === undefined ? "there is no such directory" : "is not a directory" });
  for (const name of [...FLEET_FILES, ...FLEET_FOLDERS]) visit(name, 0);
  if (found.length > FILES_MAX) fault("files", `the fleet has more than ${FILES_MAX} files`);
  return faults.length > 0 ? faulty(...faults) : good(found.sort((a, b) => (a.path < b.path ? -1 : 1)));
}

/** Editors leave `web.yaml~` and git leaves `.gitkeep`: in states/ and settings/ that would silently be nothing. */
function isSurplus(path: string): boolean {
  if (path.endsWith("/.gitkeep")) return false;
  return (path.startsWith("states/") && !/\.(?:yaml|ts)$/.test(path)) || (path.startsWith("settings/") && !path.endsWith(".yaml"));
}

/** For rendering: the texts, and the names of the rest. */
export function readFleetSources(files: Files, dir: string): Checked<FleetSources> {
  const listed = listFleet(files, dir);
  if (!listed.ok) return listed;
  const sources: Record<string, string> = Object.create(null);
  const faults: StateFault[] = [];
  let total = 0;
  for (const { path, size } of listed.value) {
    if (!isRenderSource(path)) continue;
    total += size;
    const read: string | Unread =
      size > SOURCE_FILE_BYTES_MAX ? { fault: `has ${size} bytes, at most ${SOURCE_FILE_BYTES_MAX} are read` } : readText(files, `${dir}/${path}`);
    if (typeof read === "string") sources[path] = read;
    else faults.push({ file: path, line: 0, path: "", message: read.fault, ...(read.remedy === undefined ? {} : { remedy: read.remedy }) });
  }
  if (total > SOURCE_BYTES_MAX)
    faults.push({ file: dir, line: 0, path: "", message: `states, settings and templates have ${total} bytes, at most ${SOURCE_BYTES_MAX} are rendered` });
  return faults.length > 0 ? faulty(...faults) : good({ sources, paths: listed.value.map(({ path }) => path) });
}

interface Unread {
  readonly fault: string;
  readonly remedy?: string;
}

function readText(files: Files, path: string): string | Unread {
  try {
    return fromUtf8(files.read("fleet.read", path, { bytesMax: SOURCE_FILE_BYTES_MAX }));
  } catch (error) {
    if (error instanceof TypeError) return { fault: "is not UTF-8", remedy: "Save it as UTF-8, or use it with `source` instead of `template`." };
    if (isFault(error, "file_missing") || isFault(error, "file_not_regular") || isFault(error, "file_too_large"))
      return { fault: "was changed while it was read" };
    throw error;
  }
}
