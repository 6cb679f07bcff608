import { isFault } from "../../../shared/core/fault.ts";
import type { FactValue } from "../../../shared/protocol/report.ts";
import type { World } from "../../../shared/ports/world.ts";

/** One section of the facts. A collector reads /proc and /sys where it can: no process is started for what a file says. */
export interface Collector {
  readonly name: string;
  collect(world: World): FactValue | Promise<FactValue>;
}

const TEXT_BYTES_MAX = 1024 * 1024;

/** A small text file of the system; `undefined` when it is not there. Anything else that goes wrong is thrown: it is the collector's failure. */
export function readText(world: World, path: string): string | undefined {
  try {
    return new TextDecoder().decode(world.files.read("facts.read", path, { bytesMax: TEXT_BYTES_MAX, follow: true }));
  } catch (error) {
    if (isFault(error, "file_missing")) return undefined;
    throw error;
  }
}

/** The same, trimmed, and an empty text for a file that is not there or may not be read: for the optional details of /sys. */
export function readDetail(world: World, path: string): string {
  try {
    return readText(world, path)?.trim() ?? "";
  } catch {
    // /sys refuses some attributes by design (EINVAL on a link that is down, EACCES when not root); the detail is then unknown.
    return "";
  }
}

export function listNames(world: World, path: string): readonly string[] {
  try {
    return world.files.list("facts.list", path);
  } catch (error) {
    if (isFault(error, "file_missing")) return [];
    throw error;
  }
}

export function isThere(world: World, path: string): boolean {
  return world.files.stat("facts.stat", path, { follow: true }) !== undefined;
}
