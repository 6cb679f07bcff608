/** A box of the simulation: a machine with the resident agent kept running on it, enrolling by itself at its first boot. */
import { compose } from "../../../agent/mode.ts";
import { AGENT_DEFAULTS, type AgentSettings } from "../../../agent/settings.ts";
import { runEnrollment } from "../../../agent/edge/enroll/run-enrollment.ts";
import { isFault } from "../../core/fault.ts";
import { fromHex, utf8 } from "../../core/bytes.ts";
import type { Database } from "../../ports/databases.ts";
import type { Rng } from "../../ports/rng.ts";
import { hostIdOf, signingKeyFromSeed, spellKey } from "../../trust/keys.ts";
import type { BoxView } from "../checkers/checker.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Node } from "../sim-disk.ts";
import type { SimMachine } from "../sim-machine.ts";
import { ProcessDied } from "../sim-process.ts";
import { hasTable } from "./has-table.ts";
import { Keeper } from "./keeper.ts";

export const BOX_DATA_DIR = "/var/lib/felhom";
const ENROLL_AGAIN_MS = 30_000;
const NEVER = new AbortController().signal;

/** What every Linux has, as far as the agent looks at it. */
function installedFiles(name: string): Readonly<Record<string, string>> {
  return {
    "/etc/hostname": `${name}\n`,
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "/etc/group": "root:x:0:\n",
    "/etc/os-release": 'ID=debian\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\n',
    "/proc/meminfo": "MemTotal:        1000000 kB\nMemFree:          500000 kB\nMemAvailable:     700000 kB\n",
    "/proc/sys/kernel/hostname": `${name}\n`,
  };
}

export class SimBox implements BoxView {
  readonly machine: SimMachine;
  readonly dataDir = BOX_DATA_DIR;
  readonly keeper: Keeper;
  readonly #scheduler: Scheduler;
  readonly #rng: Rng;
  readonly #join: () => string;
  readonly #hubUrl: string;
  readonly #unexpected: unknown[] = [];
  #boots = 0;
  #isOn = false;
  #enrolling = false;

  constructor(options: {
    readonly machine: SimMachine;
    readonly scheduler: Scheduler;
    readonly rng: Rng;
    readonly join: () => string;
    readonly hubUrl: string;
    readonly settings: Partial<AgentSettings>;
  }) {
    this.machine = options.machine;
    this.#scheduler = options.scheduler;
    this.#rng = options.rng;
    this.#join = options.join;
    this.#hubUrl = options.hubUrl;
    const settings: AgentSettings = { ...AGENT_DEFAULTS, dataDir: BOX_DATA_DIR, socketPath: "/run/felhom/agent.sock", factsDirs: [], ...options.settings };
    this.keeper = new Keeper(this.machine, this.#scheduler, { name: "agent", compose: (world) => compose(settings, world) }, this.#rng);
    this.#install();
  }

  get failures(): readonly unknown[] {
    return [...this.keeper.failures, ...this.#unexpected];
  }

  get slowStops(): number {
    return this.keeper.slowStops;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  boot(): void {
    if (this.#isOn) return;
    this.#isOn = true;
    this.#boots += 1;
    const { world, process } = this.machine.start("boot");
    const { disk } = this.machine;
    const { capacityBytes } = disk;
    disk.capacityBytes = Number.POSITIVE_INFINITY; // /proc takes no room
    const file = world.files;
    file.remove("boot", "/proc/sys/kernel/random/boot_id");
    const handle = file.open("boot", "/proc/sys/kernel/random/boot_id", "exclusive", 0o444);
    handle.write(
      utf8(
        `${this.#boots.toString(16).padStart(8, "0")}-0000-4000-8000-${this.#rng
          .int(2 ** 31)
          .toString(16)
          .padStart(12, "0")}\n`,
      ),
    );
    disk.capacityBytes = capacityBytes;
    process.die();
    this.keeper.on();
    this.#enroll();
  }

  /** The power goes, and comes back after `offMs`. */
  powerCut(offMs: number): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.keeper.off();
    this.machine.powerCut(this.#rng);
    this.#scheduler.after(offMs, () => this.boot());
  }

  hostId(): string | undefined {
    const seed = fromHex((this.text(`${BOX_DATA_DIR}/identity/signing.key`) ?? "").trim());
    return seed?.byteLength === 32 ? hostIdOf(signingKeyFromSeed(seed).publicKey) : undefined;
  }

  /** What its own screen would show. */
  signingKey(): string | undefined {
    const seed = fromHex((this.text(`${BOX_DATA_DIR}/identity/signing.key`) ?? "").trim());
    return seed?.byteLength === 32 ? spellKey(signingKeyFromSeed(seed).publicKey) : undefined;
  }

  isEnrolled(): boolean {
    return this.#node(`${BOX_DATA_DIR}/identity/membership.json`) !== undefined;
  }

  database(): Database | undefined {
    const node = this.#node(`${BOX_DATA_DIR}/agent.db`);
    return node?.kind === "file" && node.damaged !== true && hasTable(node.sqlite?.database, "document") ? node.sqlite?.database : undefined;
  }

  databaseId(): number | undefined {
    return this.#node(`${BOX_DATA_DIR}/agent.db`)?.id;
  }

  text(path: string): string | undefined {
    const node = this.#node(path);
    return node?.kind === "file" ? Buffer.from(node.bytes).toString("utf8") : undefined;
  }

  #node(path: string): Node | undefined {
    try {
      return this.machine.disk.find(this.machine.disk.root, path, true);
    } catch {
      return undefined;
    }
  }

  #install(): void {
    const { world, process } = this.machine.start("install");
    for (const dir of ["/etc", "/proc", "/proc/sys", "/proc/sys/kernel", "/proc/sys/kernel/random", "/run", "/run/felhom", "/tmp", "/var", "/var/lib"]) {
      world.files.makeDir("install", dir, dir === "/tmp" ? 0o1777 : 0o755);
    }
    for (const [path, text] of Object.entries(installedFiles(this.machine.name))) world.files.open("install", path, "exclusive", 0o644).write(utf8(text));
    process.die();
    this.machine.disk.syncAll();
  }

  /** `felhom enroll`, as an installer's unit runs it: again until it is done. */
  #enroll(): void {
    if (this.#enrolling || !this.#isOn || this.isEnrolled()) return;
    this.#enrolling = true;
    const { process, world } = this.machine.start("enroll");
    let over = false;
    const again = (): void => {
      if (over) return;
      over = true;
      this.#enrolling = false;
      process.die();
      this.#scheduler.after(ENROLL_AGAIN_MS, () => this.#enroll());
    };
    process.onDeath(again);
    void runEnrollment(
      world,
      { dataDir: BOX_DATA_DIR, urls: [this.#hubUrl], join: this.#join(), name: this.machine.name, wait: true },
      () => undefined,
      NEVER,
    ).then(again, (error: unknown) => {
      if (process.alive && !isFault(error) && !(error instanceof ProcessDied)) this.#unexpected.push(error);
      again();
    });
  }
}
