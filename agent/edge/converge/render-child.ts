/**
 * Rendering in a short-lived child of the same binary: `felhom render`, JSON on stdin, JSON on stdout. Started by root it becomes
 * an unprivileged user before it reads anything (main.ts; so the binary may lie in a directory that only root may enter), with limits on CPU and memory, an empty environment and a time limit, so that a state's code never
 * runs in a process that may do anything. What comes back is checked before it is believed. Any failure of the child is a
 * rendering that failed: the last good resources then stay in force.
 */
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { flatten } from "../../../shared/core/fault.ts";
import type { Finished } from "../../../shared/ports/exec.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { RenderInput, RenderVerdict } from "../../../shared/states/render.ts";
import { parseRenderVerdict } from "../../../shared/states/render-verdict.ts";

const RENDER_TIMEOUT_MS = 60_000;
const RENDER_CPU_SECONDS = 60;
const RENDER_DATA_BYTES = 2 * 1024 ** 3;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

export interface RenderChild {
  readonly argv: readonly [string, ...string[]];
}

/** `twice`: a new bundle is rendered by two children at once and both must say the same, byte for byte. */
export async function renderInChild(world: World, child: RenderChild, input: RenderInput, twice: boolean): Promise<RenderVerdict> {
  const stdin = utf8(JSON.stringify(input));
  const [first, second] = await Promise.all([renderOnce(world, child, stdin), twice ? renderOnce(world, child, stdin) : undefined]);
  if (second !== undefined && first.text !== second.text && first.verdict.ok && second.verdict.ok) {
    return failed("the same inputs gave different resources when rendered twice: a state depends on time, randomness or something else that is not an input");
  }
  return first.verdict;
}

async function renderOnce(world: World, child: RenderChild, stdin: Uint8Array): Promise<{ text: string; verdict: RenderVerdict }> {
  try {
    const done = await world.exec.run("render.run", {
      argv: child.argv,
      env: {},
      cwd: "/",
      stdin,
      limits: { cpuSeconds: RENDER_CPU_SECONDS, dataBytes: RENDER_DATA_BYTES },
      timeoutMs: RENDER_TIMEOUT_MS,
      outputBytesMax: OUTPUT_BYTES_MAX,
    });
    const problem = problemOf(done);
    if (problem !== undefined) return { text: "", verdict: failed(problem) };
    const text = fromUtf8(done.stdout);
    return { text, verdict: parseRenderVerdict(text) };
  } catch (error) {
    world.log.event("warn", "render.failed", {}, error);
    return { text: "", verdict: failed(flatten(error)) };
  }
}

/** The child's own words are not passed on: a state's code may print anything, a secret too. */
function problemOf(done: Finished): string | undefined {
  if (done.timedOut) return `rendering took longer than ${RENDER_TIMEOUT_MS / 1_000} s`;
  if (done.truncated) return `rendering gave more than ${OUTPUT_BYTES_MAX} bytes`;
  if (done.code === 0) return undefined;
  return done.code === null
    ? `the rendering process was ended by ${done.signal ?? "a signal"} (its limits: ${RENDER_CPU_SECONDS} s of CPU, ${RENDER_DATA_BYTES / 1024 ** 2} MiB)`
    : `the rendering process ended with exit code ${done.code}`;
}

export function failed(message: string): RenderVerdict {
  return { ok: false, faults: [{ file: "", line: 0, path: "", message }] };
}
