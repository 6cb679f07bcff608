/** The hub of the simulation: one machine with the real hub kept running on it. */
import { compose } from "../../../hub/mode.ts";
import { HUB_DEFAULTS, type HubSettings } from "../../../hub/settings.ts";
import { utf8 } from "../../core/bytes.ts";
import type { Database } from "../../ports/databases.ts";
import type { Rng } from "../../ports/rng.ts";
import type { HubView } from "../checkers/checker.ts";
import type { Scheduler } from "../scheduler.ts";
import { raiseHubEpoch } from "../../../hub/edge/store/meta.ts";
import { newSqlite } from "../sim-databases.ts";
import type { FileNode, Node } from "../sim-disk.ts";
import type { SimMachine } from "../sim-machine.ts";
import { hasTable } from "./has-table.ts";
import { HUB_CERT_PEM, HUB_KEY_PEM } from "./hub-tls.ts";
import { Keeper } from "./keeper.ts";
import type { Truth } from "./truth.ts";

const DATA_DIR = "/var/lib/felhom-hub";

export class SimHub implements HubView {
  readonly machine: SimMachine;
  readonly keeper: Keeper;
  readonly #scheduler: Scheduler;
  readonly #rng: Rng;
  #isOn = false;

  constructor(options: { readonly machine: SimMachine; readonly scheduler: Scheduler; readonly rng: Rng }) {
    this.machine = options.machine;
    this.#scheduler = options.scheduler;
    this.#rng = options.rng;
    const settings: HubSettings = { ...HUB_DEFAULTS, dataDir: DATA_DIR, tls: { use: "files", certPath: "/etc/cert.pem", keyPath: "/etc/key.pem" } };
    this.keeper = new Keeper(this.machine, this.#scheduler, { name: "hub", compose: (world) => compose(settings, world) }, this.#rng);
    this.#install();
  }

  get failures(): readonly unknown[] {
    return this.keeper.failures;
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
    this.keeper.on();
  }

  powerCut(offMs: number): void {
    if (!this.#isOn) return;
    this.#isOn = false;
    this.keeper.off();
    this.machine.powerCut(this.#rng);
    this.#scheduler.after(offMs, () => this.boot());
  }

  setupToken(): string | undefined {
    const node = this.#node(`${DATA_DIR}/setup-token`);
    return node?.kind === "file" ? Buffer.from(node.bytes).toString("utf8").trim() : undefined;
  }

  database(): Database | undefined {
    const node = this.#node(`${DATA_DIR}/hub.db`);
    return node?.kind === "file" && hasTable(node.sqlite?.database, "audit") ? node.sqlite?.database : undefined;
  }

  /** What a backup of the database would hold now. */
  saveDatabase(): Uint8Array | undefined {
    return this.#databaseFile()?.sqlite?.serialize();
  }

  /** The disk holds an older state of the database than it had promised. Only while the hub is off. */
  rewindDatabase(saved: Uint8Array): void {
    const file = this.#databaseFile();
    if (file !== undefined) file.sqlite = newSqlite(saved);
  }

  /** An operator puts an old backup back: as `felhom hub restore` does, with a raised epoch. */
  restoreBackup(saved: Uint8Array, truth: Truth): void {
    this.powerCut(60_000);
    this.rewindDatabase(saved);
    const database = this.database();
    database?.transaction("restore", () => raiseHubEpoch(database, this.machine.wallMs()));
    truth.hubRestores += 1;
  }

  #databaseFile(): FileNode | undefined {
    const node = this.#node(`${DATA_DIR}/hub.db`);
    return node?.kind === "file" ? node : undefined;
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
    for (const dir of ["/etc", "/var", "/var/lib"]) world.files.makeDir("install", dir, 0o755);
    for (const [path, text] of [
      ["/etc/cert.pem", HUB_CERT_PEM],
      ["/etc/key.pem", HUB_KEY_PEM],
    ] as const) {
      world.files.open("install", path, "exclusive", 0o600).write(utf8(text));
    }
    process.die();
    this.machine.disk.syncAll();
  }
}
