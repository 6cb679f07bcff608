/**
 * The end of a process group. Who was killed with its wrapper (strace, ip netns exec) may live a moment longer than the wrapper that was
 * waited for, and until then it holds its port and its locks.
 */
import { readdirSync, readFileSync } from "node:fs";

const STEP_MS = 5;
const MS_MAX = 30_000;

/** Resolves when nobody of the group that `leader` began lives any more; throws after half a minute. */
export async function groupGone(leader: number): Promise<void> {
  for (let waitedMs = 0; isAlive(leader); waitedMs += STEP_MS) {
    if (waitedMs > MS_MAX) throw new Error(`process group ${leader} does not end`);
    await Bun.sleep(STEP_MS);
  }
}

function isAlive(leader: number): boolean {
  try {
    process.kill(-leader, 0);
  } catch {
    return false;
  }
  // What nobody has collected yet is there, and holds nothing.
  return readdirSync("/proc").some((name) => /^\d+$/.test(name) && isMember(name, leader));
}

function isMember(name: string, leader: number): boolean {
  try {
    const stat = readFileSync(`/proc/${name}/stat`, "utf8");
    // After the name, which is in parentheses and may hold some: state, parent, group.
    const [state, , group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(group) === leader && state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}
