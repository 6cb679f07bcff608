/**
 * A box as a directory and the compiled binary: enrolls, runs its agent, asks its local socket, starts single workers. Nothing here
 * waits without letting the test's own hub answer meanwhile.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { AgentStatus } from "../../agent/core/status/agent-status.ts";
import type { WorkerRequest, WorkerResult, WorkerSettings } from "../../agent/core/worker/messages.ts";
import { BINARY } from "../../scripts/fleet/real-fleet.ts";
import { groupGone } from "../../shared/sim/process-group.ts";

const WAIT_MS = 120_000;
const STEP_MS = 20;

export interface Ended {
  /** 137 when it was killed, as a shell says it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const KILLED = 137;

/** A test that fails half-way must leave no process behind: groups that were started and not seen to end. */
const groups = new Set<number>();
process.on("exit", () => {
  for (const pid of groups) killGroup(pid);
});

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    return; // gone already
  }
}

function watch(child: Bun.Subprocess): void {
  groups.add(child.pid);
  void child.exited.then(() => groups.delete(child.pid));
}

export const ENV = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: "/nonexistent", LANG: "C.UTF-8", NO_COLOR: "1" } as const;

export async function runBinary(
  args: readonly string[],
  options: { readonly wrapper?: readonly string[]; readonly stdin?: string; readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  const { wrapper = [], stdin = "", cwd = "/", env = ENV } = options;
  const child = Bun.spawn([...wrapper, BINARY, ...args], { stdin: new Blob([stdin]), stdout: "pipe", stderr: "pipe", env, cwd });
  const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  await child.exited;
  return { code: child.signalCode === null ? (child.exitCode ?? -1) : KILLED, stdout, stderr };
}

export class RealBox {
  readonly name: string;
  readonly dataDir: string;
  readonly flags: readonly string[];
  #agent: Bun.Subprocess | undefined;
  #log: Promise<string> = Promise.resolve("");

  constructor(dir: string, name: string) {
    this.name = name;
    this.dataDir = join(dir, name);
    this.flags = ["--data-dir", this.dataDir];
    mkdirSync(dirname(this.dataDir), { recursive: true });
  }

  enroll(hub: { readonly url: string; readonly joinCode: string }, wrapper: readonly string[] = [], wait = false): Promise<Ended> {
    const args = ["enroll", "--master-urls", hub.url, "--join", hub.joinCode, "--name", this.name, ...this.flags, "-o", "json"];
    return runBinary(wait ? args : [...args, "--no-wait"], { wrapper });
  }

  /** From nothing to a certificate. */
  async join(hub: { readonly url: string; readonly joinCode: string; approve(name: string): Promise<string> }, wrapper: readonly string[] = []): Promise<void> {
    must(await this.enroll(hub, wrapper), 6);
    await hub.approve(this.name);
    must(await this.enroll(hub, wrapper, true), 0);
  }

  get hostId(): string | undefined {
    const path = join(this.dataDir, "identity/membership.json");
    return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).host_id : undefined;
  }

  start(wrapper: readonly string[] = [], more: readonly string[] = []): void {
    const argv = [...wrapper, BINARY, "agent", ...this.flags, "--disk-reserve-bytes", "0", "--facts-dirs", "/nonexistent", "--log-format", "json", ...more];
    // A group of its own: strace that is told to end lets go of what it traces, so both are ended together.
    const child = Bun.spawn(argv, { stdout: "ignore", stderr: "pipe", env: ENV, cwd: "/", detached: true });
    watch(child);
    this.#agent = child;
    this.#log = new Response(child.stderr).text();
  }

  get pid(): number {
    return this.#agent?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#agent !== undefined && this.#agent.exitCode === null && this.#agent.signalCode === null;
  }

  /** Ends it and what it started; the log it wrote. */
  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGKILL"): Promise<{ readonly code: number | null; readonly log: string }> {
    if (this.isRunning) {
      try {
        if (signal === "SIGKILL") process.kill(-this.pid, signal);
        else this.#agent?.kill(signal);
      } catch {
        // It ended by itself meanwhile.
      }
    }
    await this.#agent?.exited;
    return { code: this.#agent?.exitCode ?? null, log: await this.#log };
  }

  async ask(method: string, path: string, body?: Uint8Array): Promise<Response> {
    return fetch(`http://agent${path}`, { method, unix: join(this.dataDir, "agent.sock"), ...(body === undefined ? {} : { body: new Uint8Array(body) }) });
  }

  /** `undefined`: nobody answers. */
  async status(): Promise<AgentStatus | undefined> {
    try {
      return (await (await this.ask("GET", "/status")).json()) as AgentStatus;
    } catch {
      return undefined;
    }
  }

  /** Asks until it is so; `undefined` when the agent is gone before. The bound only decides how long a failure takes. */
  async until(what: string, isSo: (status: AgentStatus) => boolean): Promise<AgentStatus | undefined> {
    const endMs = performance.now() + WAIT_MS;
    for (let last: AgentStatus | undefined; performance.now() < endMs; await Bun.sleep(STEP_MS)) {
      if (!this.isRunning) return undefined;
      last = await this.status();
      if (last !== undefined && isSo(last)) return last;
    }
    const last = await this.status();
    const { log } = await this.stop();
    throw new Error(`${this.name}: waited two minutes in vain until ${what}\n${JSON.stringify(last)}\n${log.slice(-4_000)}`);
  }

  get workerSettings(): WorkerSettings {
    return { dataDir: this.dataDir, bundlesKept: 3, diskReserveBytes: 0, factsDirs: [] };
  }

  /** One worker, as the agent would start it. */
  async worker(
    request: WorkerRequest,
    wrapper: readonly string[] = [],
  ): Promise<{ readonly code: number; readonly result: WorkerResult | undefined; readonly stderr: string }> {
    const { code, stdout, stderr } = await runBinary(["agent-worker"], { wrapper, stdin: JSON.stringify(request) });
    return { code, result: code === 0 ? JSON.parse(stdout) : undefined, stderr };
  }
}

/** Throws with everything it printed unless it ended as it should. */
export function must(ended: Ended, ...codes: readonly number[]): Ended {
  if (!codes.includes(ended.code)) throw new Error(`ended with ${ended.code}\n${ended.stdout}${ended.stderr}`);
  return ended;
}

export interface RunningHub {
  readonly url: string;
  readonly pid: number;
  kill(signal?: "SIGKILL" | "SIGTERM"): Promise<number | null>;
}

const NO_LIMITS = [
  ["--requests-per-second-per-address", "1000000"],
  ["--refusals-per-minute-per-address", "1000000"],
  ["--syncs-per-host-per-second", "1000000"],
  ["--enroll-per-second", "1000000"],
  ["--enroll-per-minute-per-address", "1000000"],
].flat();

/** A real hub on `dir`, once it listens; undefined when it died before. Rates are not what these tests are about. */
export async function startHub(dir: string, wrapper: readonly string[] = [], more: readonly string[] = []): Promise<RunningHub | undefined> {
  const argv = [
    ...wrapper,
    BINARY,
    "hub",
    "--data-dir",
    dir,
    "--tls",
    "none",
    "--address",
    "127.0.0.1",
    "--port",
    "0",
    "--log-format",
    "json",
    ...NO_LIMITS,
    ...more,
  ];
  const child = Bun.spawn(argv, { stdout: "ignore", stderr: "pipe", env: ENV, cwd: "/", detached: true });
  watch(child);
  const reader = child.stderr.getReader();
  const kill: RunningHub["kill"] = async (signal = "SIGKILL") => {
    try {
      if (signal === "SIGKILL") process.kill(-child.pid, signal);
      else child.kill(signal);
    } catch {
      // It ended by itself meanwhile.
    }
    await child.exited;
    await groupGone(child.pid);
    return child.exitCode;
  };
  for (let text = ""; ; ) {
    const { done, value } = await reader.read();
    if (done) return undefined;
    text += new TextDecoder().decode(value);
    const url = /"event":"hub.listening","url":"([^"]+)"/.exec(text)?.[1];
    if (url === undefined) continue;
    // Whatever else it says is read and dropped, so that it never waits for a reader.
    void drain(() => reader.read());
    return { url, pid: child.pid, kill };
  }
}

async function drain(read: () => Promise<{ readonly done: boolean }>): Promise<void> {
  while (!(await read()).done);
}
