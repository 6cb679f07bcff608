import { flatten } from "../../../shared/core/fault.ts";
import type { FactValue } from "../../../shared/protocol/report.ts";
import type { FileStat } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import { factRefusal } from "../../core/facts/facts.ts";
import { NOBODY_ELSE, ParentDirs } from "../providers/parent-dirs.ts";
import { listNames } from "./collector.ts";

/**
 * Facts that the box's owner adds: `*.json` files are read, executables are run and their stdout is read as JSON. Each file
 * becomes one fact named after it, without its ending. A file that a less privileged user could change is refused: an
 * executable here runs as the agent, and facts choose states.
 */
export const CUSTOM_FACTS_DIR = "/etc/felhom/facts.d";
const FILES_MAX = 64;
const BYTES_MAX = 64 * 1024;
const TIMEOUT_MS = 10_000;
const NAME = /^([A-Za-z][A-Za-z0-9_]{0,63})(?:\.[A-Za-z0-9]{1,8})?$/;

export async function collectCustom(world: World, dirs: readonly string[]): Promise<FactValue> {
  const facts: Record<string, FactValue> = {};
  const errors: Record<string, FactValue> = {};
  const parents = new ParentDirs(world.files, world.self);
  for (const dir of dirs) {
    for (const file of listNames(world, dir).slice(0, FILES_MAX)) {
      const name = NAME.exec(file)?.[1];
      if (name === undefined || name === "errors") {
        errors[file.slice(0, 64).replace(/[^A-Za-z0-9_]/g, "_")] = "this file name cannot be the name of a fact";
        continue;
      }
      try {
        facts[name] = await factOf(world, parents, dir, file);
      } catch (error) {
        errors[name] = flatten(error);
      }
    }
  }
  parents.close();
  return Object.keys(errors).length === 0 ? facts : { ...facts, errors };
}

async function factOf(world: World, parents: ParentDirs, dir: string, file: string): Promise<FactValue> {
  const path = `${dir}/${file}`;
  // Throws when a directory on the way, or a link in it, is not ours alone to change.
  const { at } = parents.place("facts.custom", path, NOBODY_ELSE);
  const stat = world.files.stat("facts.custom", at);
  if (stat === undefined) throw new Error(`${path} went away`);
  const refusal = changeable(world, stat);
  if (refusal !== undefined) throw new Error(`${path} ${refusal}`);
  if (stat.kind !== "file") throw new Error(`${path} is not a regular file`);
  const bytes =
    (stat.mode & 0o111) === 0 || file.endsWith(".json") ? world.files.read("facts.custom", path, { bytesMax: BYTES_MAX }) : await outputOf(world, path);
  const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  const odd = factRefusal(value);
  if (odd !== undefined) throw new Error(`${path} holds ${odd}`);
  return isFact(value) ? value : null;
}

async function outputOf(world: World, path: string): Promise<Uint8Array> {
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
  const done = await world.exec.run("facts.custom", { argv: [path], env, cwd: "/", timeoutMs: TIMEOUT_MS, outputBytesMax: BYTES_MAX });
  if (done.timedOut) throw new Error(`${path} took longer than ${TIMEOUT_MS / 1_000} s`);
  if (done.code !== 0) throw new Error(`${path} ended with ${done.code ?? done.signal}`);
  if (done.truncated) throw new Error(`${path} wrote more than ${BYTES_MAX} bytes`);
  return done.stdout;
}

function changeable(world: World, stat: FileStat): string | undefined {
  if (stat.uid !== 0 && stat.uid !== world.self.uid) return `belongs to user ${stat.uid}`;
  return (stat.mode & 0o022) === 0 ? undefined : "can be written by others than its owner";
}

/** `factRefusal` has looked at every part already. */
function isFact(value: unknown): value is FactValue {
  return value !== undefined;
}
