/**
 * A real nats-server for tests: a free loopback port, file storage in a directory of its own. Tests that need it are skipped, and say
 * why, where it is not installed.
 *
 *     const nats = await startNats({ dir, config: (port) => natsServerConfig(…) });
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { freePort } from "./free-port.ts";
import { groupGone } from "./process-group.ts";

/** Debian keeps it where only root looks. */
export const natsServer = Bun.which("nats-server", { PATH: `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin` });

/** For a test's name: `test.skipIf(natsServer === null)(`… ${whyNoNats}`, …)`. */
export const whyNoNats = natsServer === null ? "(skipped: nats-server is not installed; apt-get install nats-server)" : "";

const PORT_TRIES = 50;
const PORT_PAUSE_MS = 100;

export interface RealNats {
  readonly url: string;
  readonly port: number;
  readonly storeDir: string;
  readonly isUp: boolean;
  /** Of it, or of what it is wrapped in; 0 while it is down. */
  readonly pid: number;
  /** Ends it like a power cut does to a process. */
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** It is there and says nothing, until it is thawed. */
  freeze(): void;
  thaw(): void;
  /** On the same port with the same configuration. */
  start(): Promise<void>;
  /** Every stream and consumer, gone. Only while it is down. */
  loseStore(): void;
  log(): string;
}

interface Place {
  readonly port: number;
  readonly storeDir: string;
}

export async function startNats(given: {
  readonly dir: string;
  readonly config?: (place: Place) => string;
  readonly prepare?: (place: Place) => Promise<string>;
  readonly port?: number;
  /** Where it is met; loopback when absent. */
  readonly address?: string;
  /** Put before its argv, asked at each start: `["strace", …]`, `["ip", "netns", "exec", …]`. */
  readonly wrap?: () => readonly string[];
}): Promise<RealNats> {
  const { dir, address = "127.0.0.1" } = given;
  const storeDir = `${dir}/jetstream`;
  mkdirSync(storeDir, { recursive: true });
  const port = given.port ?? (await freePort());
  const state: { child: ReturnType<typeof Bun.spawn> | undefined } = { child: undefined };
  const text = (await given.prepare?.({ port, storeDir })) ?? given.config?.({ port, storeDir }) ?? "";
  writeFileSync(`${dir}/nats.conf`, text);
  const ended = async (signal: "SIGKILL" | "SIGTERM"): Promise<void> => {
    const { child } = state;
    state.child = undefined;
    signalGroup(child, signal);
    await child?.exited;
    if (child !== undefined) await groupGone(child.pid);
  };
  const nats: RealNats = {
    url: `nats://${address}:${port}`,
    port,
    storeDir,
    get isUp() {
      return state.child !== undefined && state.child.exitCode === null && state.child.signalCode === null;
    },
    get pid() {
      return state.child?.pid ?? 0;
    },
    kill: () => ended("SIGKILL"),
    stop: () => ended("SIGTERM"),
    freeze: () => signalGroup(state.child, "SIGSTOP"),
    thaw: () => signalGroup(state.child, "SIGCONT"),
    start: async () => {
      for (let triesLeft = PORT_TRIES; ; triesLeft -= 1) {
        const before = nats.log().length;
        state.child = Bun.spawn([...(given.wrap?.() ?? []), natsServer ?? "nats-server", "-c", `${dir}/nats.conf`, "-l", `${dir}/nats.log`], {
          stdout: "ignore",
          stderr: "ignore",
          stdin: "ignore",
          // A group of its own: a wrapper that is ended would let go of what it wraps.
          detached: true,
        });
        if (await hasCome({ address, port }, state.child)) return;
        const said = nats.log().slice(before);
        // Somebody had the port for a moment, as whoever looks for a free one has.
        if (triesLeft === 0 || !said.includes("address already in use")) throw new Error(`nats-server did not come up (${state.child.exitCode}):\n${said}`);
        await Bun.sleep(PORT_PAUSE_MS);
      }
    },
    loseStore: () => {
      for (const name of readdirSync(storeDir)) rmSync(`${storeDir}/${name}`, { recursive: true, force: true });
    },
    log: () => (existsSync(`${dir}/nats.log`) ? readFileSync(`${dir}/nats.log`, "utf8") : ""),
  };
  await nats.start();
  return nats;
}

function signalGroup(child: ReturnType<typeof Bun.spawn> | undefined, signal: NodeJS.Signals): void {
  if (child === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    return; // gone already
  }
}

/** Its INFO line is the sign that it serves; looked for every few milliseconds, for a minute or more at most. False: it ended, or says nothing. */
async function hasCome({ address, port }: { readonly address: string; readonly port: number }, child: ReturnType<typeof Bun.spawn>): Promise<boolean> {
  for (let tries = 0; tries < 6_000; tries += 1) {
    if (child.exitCode !== null || child.signalCode !== null) return false;
    const greeted = await new Promise<boolean>((resolve) => {
      const no = (): void => resolve(false);
      // Heard first: ending the socket is told as its close at once.
      const data = (socket: Bun.Socket): void => void (resolve(true), socket.end());
      Bun.connect({ hostname: address, port, socket: { data, close: no, error: no, connectError: no } }).catch(no);
    });
    if (greeted) return true;
    await Bun.sleep(10);
  }
  return false;
}
