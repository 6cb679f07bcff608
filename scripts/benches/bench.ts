/** One measured number with the floor that was taken in the same run. `ratio` is value against floor, as the row's target reads. */
export interface Bench {
  readonly bench: string;
  readonly value: number;
  readonly unit: string;
  readonly floor: number | null;
  readonly floorName: string;
  readonly ratio: number | null;
  /** `at most` or `at least` this ratio; absent where a number is only reported. */
  readonly mustReach?: { readonly at: "most" | "least"; readonly ratio: number };
  readonly note?: string;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Wall seconds of a whole process, one run after the other: A B A B …, so that a drifting machine hits both alike. */
export function pairedSeconds(
  runs: number,
  a: readonly string[],
  b: readonly string[],
  options: { readonly cwd?: string; readonly env?: Record<string, string> } = {},
): { readonly a: number; readonly b: number } {
  const once = (argv: readonly string[]): number => {
    const startedMs = performance.now();
    const done = Bun.spawnSync([...argv], { stdin: "ignore", stdout: "ignore", stderr: "pipe", ...options });
    if (done.exitCode !== 0) throw new Error(`${argv.join(" ")} ended with ${done.exitCode}: ${done.stderr.toString().slice(0, 500)}`);
    return (performance.now() - startedMs) / 1_000;
  };
  once(a);
  once(b);
  const times = Array.from({ length: runs }, () => ({ a: once(a), b: once(b) }));
  return { a: median(times.map((pair) => pair.a)), b: median(times.map((pair) => pair.b)) };
}

/** Resident memory of a running process, in bytes, from /proc. */
export async function residentBytes(pid: number): Promise<number> {
  const status = await Bun.file(`/proc/${pid}/status`).text();
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? Number.NaN) * 1_024;
}
