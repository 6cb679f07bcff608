/** A process by more than its number: numbers are used again, a number together with its start time in one boot is not. */
import { isFault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { ProcessMark } from "./ledger-store.ts";

const STAT_BYTES_MAX = 4_096;

interface ProcStat {
  readonly state: string;
  /** Clock ticks since boot. */
  readonly startTicks: number;
}

/** `undefined` when there is no such process, or only its remains. */
export function readProcess(world: World, pid: number): ProcStat | undefined {
  let text: string;
  try {
    text = new TextDecoder().decode(world.files.read("proc.stat", `/proc/${pid}/stat`, { bytesMax: STAT_BYTES_MAX }));
  } catch (error) {
    // ESRCH while reading: it ended in between.
    if (isFault(error)) return undefined;
    throw error;
  }
  return parseProcStat(text);
}

/** proc(5): the name is in parentheses and may hold anything, so fields count from the last one; state is the 3rd, starttime the 22nd. */
export function parseProcStat(text: string): ProcStat | undefined {
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const [state = ""] = fields;
  const startTicks = Number(fields[19]);
  return state === "" || state === "Z" || state === "X" || !Number.isSafeInteger(startTicks) ? undefined : { state, startTicks };
}

export function markOf(world: World, pid: number, bootId: string): ProcessMark | undefined {
  const found = readProcess(world, pid);
  return found === undefined ? undefined : { pid, pidStart: found.startTicks, bootId };
}

export function isSameProcess(world: World, mark: ProcessMark, bootId: string): boolean {
  return mark.bootId === bootId && readProcess(world, mark.pid)?.startTicks === mark.pidStart;
}
