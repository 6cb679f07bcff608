/** The load's side: starts a `hub-process` and talks to it. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface BenchServer {
  readonly port: number;
  readonly pid: number;
  /** After a garbage collection. */
  rssBytes(): Promise<number>;
  stop(): Promise<void>;
}

/** On one core. */
export function startBenchServer(...args: readonly string[]): Promise<BenchServer> {
  return start(["taskset", "-c", "0"], args);
}

/** On all cores, as a hub runs: for what is measured in seconds that pass. */
export function startFreeServer(...args: readonly string[]): Promise<BenchServer> {
  return start([], args);
}

async function start(before: readonly string[], args: readonly string[]): Promise<BenchServer> {
  const child = Bun.spawn([...before, process.execPath, `${import.meta.dir}/hub-process.ts`, ...args], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "inherit",
  });
  const lines = readLines(child.stdout);
  const port = Number((await lines.next()).value);
  return {
    port,
    pid: child.pid,
    rssBytes: async () => {
      void child.stdin.write("rss\n");
      await child.stdin.flush();
      return Number((await lines.next()).value);
    },
    stop: async () => {
      child.kill("SIGTERM");
      await child.exited;
    },
  };
}

/** User and system time of a process (fields 14 and 15 of /proc/PID/stat, in hundredths). */
export async function cpuSeconds(pid: number): Promise<number> {
  const fields = (await Bun.file(`/proc/${pid}/stat`).text()).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, string> {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      yield text.slice(0, end);
      text = text.slice(end + 1);
    }
  }
  throw new Error("the bench server ended");
}

export async function withDir<T>(body: (dir: string) => Promise<T>): Promise<T> {
  const dir = mkdtempSync(join(tmpdir(), "felhom-bench-"));
  try {
    return await body(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
