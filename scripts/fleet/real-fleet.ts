import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { AgentStatus } from "../../agent/core/status/agent-status.ts";
import { freePort } from "../../shared/sim/free-port.ts";
import { lightenVault } from "./light-vault.ts";

/**
 * A real hub, real boxes and a real workstation in one scratch directory: the compiled binary, real processes, loopback only. The
 * quickstart tells a story with it, tests break it, benches measure it. Everything it starts it also ends; nothing outside `dir`
 * is touched.
 */

export const projectRoot = dirname(dirname(import.meta.dir));
export const BINARY = join(projectRoot, "dist", "felhom");
const WAIT_MS = 120_000;
const STATUS_MS_MAX = 10_000;
const STOP_MS_MAX = 30_000;

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Box {
  readonly name: string;
  readonly dataDir: string;
  readonly socketPath: string;
}

export interface FleetOptions {
  readonly dir?: string;
  /** `none` serves plain HTTP on loopback. */
  readonly tls?: "own" | "none";
  /** The vault asks for as little of Argon2id as any vault may: a second less of each command that signs. */
  readonly lightVault?: boolean;
  /** More settings for the hub and the agents, as flags. */
  readonly hubFlags?: readonly string[];
  readonly agentFlags?: readonly string[];
  readonly onCommand?: (line: string, result: CommandResult) => void;
  /** Put before the hub's or an agent's argv: `["strace", …]`, `["faketime", …]`. */
  readonly wrapHub?: readonly string[];
  readonly wrapAgent?: readonly string[];
}

export class RealFleet {
  readonly dir: string;
  readonly home: string;
  readonly hubDir: string;
  readonly passphraseFile: string;
  hubPort = 0;
  readonly #options: FleetOptions;
  readonly #children = new Map<string, ChildProcess>();

  constructor(options: FleetOptions = {}) {
    this.#options = options;
    this.dir = options.dir ?? mkdtempSync(join(tmpdir(), "felhom-fleet-"));
    chmodSync(this.dir, 0o700);
    // Where its tests are skipped nobody stops it.
    if (options.dir === undefined) process.once("exit", () => this.#children.size === 0 && rmSync(this.dir, { recursive: true, force: true }));
    this.home = join(this.dir, "workstation");
    this.hubDir = join(this.dir, "hub");
    this.passphraseFile = join(this.dir, "passphrase");
    writeFileSync(this.passphraseFile, "correct horse battery staple\n", { mode: 0o600 });
  }

  get hubUrl(): string {
    return `${this.#options.tls === "none" ? "http" : "https"}://127.0.0.1:${this.hubPort}`;
  }

  /** Hub up, key made, fleet known to the hub. */
  async start(): Promise<void> {
    this.hubPort = await freePort();
    await this.startHub();
    this.operator(["key", "new", "operator", "--fleet", "sample", ...this.#passphrase()]);
    if (this.#options.lightVault === true) await lightenVault(join(this.home, "vault"), readFileSync(this.passphraseFile, "utf8").trim());
    const pin = this.#options.tls === "none" ? [] : ["--pin", this.hubPin()];
    this.operator(["login", "--hub", this.hubUrl, ...pin, "--setup-token-file", join(this.hubDir, "setup-token"), ...this.#passphrase()]);
  }

  async startHub(): Promise<void> {
    const tls = this.#options.tls === "none" ? ["--tls", "none"] : [];
    const argv = [
      ...(this.#options.wrapHub ?? []),
      BINARY,
      "hub",
      "--data-dir",
      this.hubDir,
      "--address",
      "127.0.0.1",
      "--port",
      String(this.hubPort),
      ...tls,
      "--log-format",
      "json",
      ...(this.#options.hubFlags ?? []),
    ];
    this.#spawn("hub", argv);
    await this.until("the hub is ready", async () => (await this.hubStatus("/readyz")) === 200);
  }

  /** HTTP status of a path of the hub; 0 when it does not answer. */
  async hubStatus(path: string): Promise<number> {
    try {
      const reply = await fetch(`${this.hubUrl}${path}`, { keepalive: false, tls: { rejectUnauthorized: false }, signal: AbortSignal.timeout(2_000) });
      await reply.arrayBuffer();
      return reply.status;
    } catch {
      return 0;
    }
  }

  /** SHA-256 of the hub key's SubjectPublicKeyInfo, base64url, read from its certificate on disk. */
  hubPin(): string {
    const certificate = new X509Certificate(readFileSync(join(this.hubDir, "tls", "cert.pem")));
    return createHash("sha256")
      .update(certificate.publicKey.export({ type: "spki", format: "der" }))
      .digest("base64url");
  }

  /** Enrolls a new box, approves it with its words, starts its agent and waits until the hub has heard it. */
  async addBox(name: string, labels: Readonly<Record<string, string>> = {}): Promise<Box> {
    const box = this.enroll(name, labels);
    await this.startAgent(box);
    await this.untilBoxes("the hub has heard it", [box], ({ link }) => link.is === "connected");
    return box;
  }

  /** Enrolls a new box and approves it with the words that it shows. */
  enroll(name: string, labels: Readonly<Record<string, string>> = {}): Box {
    const box = this.box(name);
    const joinCode = this.operator(["join-code", "-o", "json"]).stdout;
    const { code } = (JSON.parse(joinCode) as { item?: { code: string }; code?: string }).item ?? (JSON.parse(joinCode) as { code: string });
    const enrolled = this.felhom(["enroll", "--master-urls", this.hubUrl, "--join", code, "--name", name, "--no-wait", ...this.boxFlags(box)], [0, 6]);
    const words = /[a-z]+(?:-[a-z]+){4}/.exec(enrolled.stdout + enrolled.stderr)?.[0] ?? "";
    const labelFlags = Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]);
    this.operator(["host", "approve", name, "--words", words, "--yes", ...labelFlags, ...this.#passphrase()]);
    this.felhom(["enroll", "--master-urls", this.hubUrl, "--join", code, "--name", name, ...this.boxFlags(box)]);
    return box;
  }

  box(name: string): Box {
    const dataDir = join(this.dir, "boxes", name);
    mkdirSync(dirname(dataDir), { recursive: true });
    return { name, dataDir, socketPath: join(dataDir, "agent.sock") };
  }

  boxFlags(box: Box): readonly string[] {
    return ["--data-dir", box.dataDir];
  }

  /** `wrap` as in the options, for this start of this box alone. */
  async startAgent(box: Box, wrap: readonly string[] = this.#options.wrapAgent ?? []): Promise<void> {
    const argv = [...wrap, BINARY, "agent", ...this.boxFlags(box), "--log-format", "json", ...(this.#options.agentFlags ?? [])];
    const name = `agent-${box.name}`;
    this.#spawn(name, argv);
    await this.until(`the agent of ${box.name} answers`, async () => {
      if ((await this.boxStatus(box)) !== undefined) return true;
      // What was killed a moment ago may still hold the lock: started again, as its watchdog would.
      if (!this.isRunning(name)) this.#spawn(name, argv);
      return false;
    });
  }

  /** The watchdog starts the agent and keeps it. */
  async startWatchdog(box: Box): Promise<void> {
    this.#spawn(`watchdog-${box.name}`, [BINARY, "watchdog", ...this.boxFlags(box), "--log-format", "json"]);
    await this.until(`the agent of ${box.name} answers`, async () => (await this.boxStatus(box)) !== undefined);
  }

  /** What the agent says on its socket; `undefined`: nobody answers. Not by a command: this is asked again and again. */
  async boxStatus(box: Box): Promise<AgentStatus | undefined> {
    try {
      const reply = await fetch("http://agent/status", { unix: box.socketPath, keepalive: false, signal: AbortSignal.timeout(STATUS_MS_MAX) });
      return (await reply.json()) as AgentStatus;
    } catch {
      return undefined;
    }
  }

  /** Asks the agents again until all of them answer and are so. */
  untilBoxes(what: string, boxes: readonly Box[], isSo: (status: AgentStatus) => boolean): Promise<void> {
    return this.until(`${boxes.map(({ name }) => name).join(", ")}: ${what}`, async () => {
      const all = await Promise.all(boxes.map((box) => this.boxStatus(box)));
      return all.every((status) => status !== undefined && isSo(status));
    });
  }

  publish(fleetDir: string): CommandResult {
    return this.operator(["publish", fleetDir, "--yes", ...this.#passphrase()]);
  }

  /** A command of the workstation. Throws with everything it printed unless it ends with one of `codes`. */
  operator(args: readonly string[], codes: readonly number[] = [0]): CommandResult {
    return this.felhom(args, codes);
  }

  /** Stdout of an operator command that is asked again and again: not told to `onCommand`, empty when it fails. */
  quietly(args: readonly string[]): string {
    const done = spawnSync(BINARY, [...args], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8", env: this.#env(), timeout: WAIT_MS, cwd: this.dir });
    return done.status === 0 ? done.stdout : "";
  }

  felhom(args: readonly string[], codes: readonly number[] = [0]): CommandResult {
    const done = spawnSync(BINARY, [...args], { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8", env: this.#env(), timeout: WAIT_MS, cwd: this.dir });
    const result = { code: done.status ?? -1, stdout: done.stdout, stderr: done.stderr };
    this.#options.onCommand?.(shown(args), result);
    if (!codes.includes(result.code)) throw new Error(`felhom ${args.join(" ")} ended with ${result.code}\n${result.stdout}${result.stderr}`);
    return result;
  }

  /** Asks again until it is so; the bound is generous because it only decides how long a failure takes. */
  async until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    for (let waitedMs = 0; !(await isSo()); waitedMs += 50) {
      if (waitedMs > WAIT_MS) throw new Error(`Waited two minutes in vain until ${what}\n${this.logTails()}`);
      await Bun.sleep(50);
    }
  }

  kill(name: string, signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<void> {
    const child = this.#children.get(name);
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill(signal);
    return signal === "SIGSTOP" || signal === "SIGCONT" ? Promise.resolve() : ended;
  }

  pid(name: string): number {
    return this.#children.get(name)?.pid ?? 0;
  }

  isRunning(name: string): boolean {
    const child = this.#children.get(name);
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  logTails(): string {
    return [...this.#children.keys()].map((name) => `--- ${name}\n${tail(join(this.dir, `${name}.log`))}`).join("\n");
  }

  async stop(options: { readonly keep?: boolean } = {}): Promise<void> {
    for (const name of [...this.#children.keys()].toReversed()) {
      // One that a failed test left frozen would not hear it.
      await this.kill(name, "SIGCONT");
      const late = setTimeout(() => void this.kill(name, "SIGKILL"), STOP_MS_MAX);
      await this.kill(name, "SIGTERM");
      clearTimeout(late);
    }
    if (options.keep !== true) rmSync(this.dir, { recursive: true, force: true });
  }

  /** Lets everything run on after this process ends. */
  release(): void {
    for (const child of this.#children.values()) child.unref();
  }

  #spawn(name: string, argv: readonly string[]): void {
    const log = openSync(join(this.dir, `${name}.log`), "a");
    const [program = "", ...args] = argv;
    const child = spawn(program, args, { stdio: ["ignore", log, log], env: this.#env(), cwd: this.dir, detached: true });
    this.#children.set(name, child);
  }

  #passphrase(): readonly string[] {
    return ["--passphrase-file", this.passphraseFile];
  }

  #env(): Record<string, string> {
    return { PATH: process.env["PATH"] ?? "/usr/bin:/bin", HOME: this.dir, FELHOM_HOME: this.home, LANG: "C.UTF-8", NO_COLOR: "1" };
  }
}

const shown = (args: readonly string[]): string => `felhom ${args.map((arg) => (/^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg}'`)).join(" ")}`;

function tail(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8").split("\n").slice(-15).join("\n") : "";
}
