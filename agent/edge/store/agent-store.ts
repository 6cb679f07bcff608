/**
 * The resident's hold on `agent.db`: outbox, counters, and a look at the documents that the worker wrote. A damaged database
 * is not a reason to stop: it is moved aside (kept for whoever wants to look), a new one begins, and what was desired comes
 * back from the snapshot. What is lost then, and only then, are unsent reports; that is said in an event.
 */
import { Fault, isFault } from "../../../shared/core/fault.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { World } from "../../../shared/ports/world.ts";
import { type Paths, paths } from "../../core/desired/paths.ts";
import { AGENT_MIGRATIONS } from "./migrations.ts";

/** Damaged files kept; older ones are removed. */
const QUARANTINED_MAX = 3;

export class AgentStore {
  readonly #world: World;
  readonly #paths: Paths;
  #database: Database | undefined;
  #quarantines = 0;

  constructor(world: World, dataDir: string) {
    this.#world = world;
    this.#paths = paths(dataDir);
  }

  /** How many times this process moved a damaged database aside. */
  get quarantines(): number {
    return this.#quarantines;
  }

  /** Opens and checks. Throws `db_newer` and disk faults; damage is dealt with here. */
  open(): void {
    try {
      this.#openChecked();
    } catch (error) {
      if (!isFault(error, "db_damaged")) throw error;
      this.quarantine(error);
    }
  }

  /** Runs `body` on the database; when it turns out to be damaged, once more on a new one. */
  use<T>(body: (database: Database) => T): T {
    if (this.#database === undefined) this.open();
    try {
      return body(this.#opened());
    } catch (error) {
      if (!isFault(error, "db_damaged")) throw error;
      this.quarantine(error);
      return body(this.#opened());
    }
  }

  /** Moves the database aside and begins a new one. */
  quarantine(cause: unknown): void {
    this.close();
    const { files, clock, log } = this.#world;
    const { database } = this.#paths;
    const aside = `${database}.damaged-${clock.wallMs()}`;
    for (const suffix of ["", "-wal", "-shm"]) {
      if (files.stat("store.quarantine", `${database}${suffix}`) !== undefined) files.rename("store.quarantine", `${database}${suffix}`, `${aside}${suffix}`);
    }
    this.#quarantines += 1;
    this.#forgetOldQuarantines();
    log.event("error", "store.quarantined", { aside }, cause);
    this.#openChecked();
  }

  close(): void {
    this.#database?.close();
    this.#database = undefined;
  }

  #opened(): Database {
    if (this.#database === undefined) throw new Error("Broken invariant: the store is open");
    return this.#database;
  }

  #openChecked(): void {
    const database = this.#world.databases.open("store.open", this.#paths.database, { migrations: AGENT_MIGRATIONS });
    this.#database = database;
    // The whole file is read once at start: damage found now is damage that no converge trips over later.
    const finding = database.check("store.check");
    if (finding !== "ok") throw new Fault("db_damaged", `Cannot use ${this.#paths.database}: ${finding.slice(0, 200)}`);
  }

  #forgetOldQuarantines(): void {
    const { files } = this.#world;
    const { database } = this.#paths;
    const dir = database.slice(0, database.lastIndexOf("/"));
    const prefix = `${database.slice(dir.length + 1)}.damaged-`;
    const kept = [
      ...new Set(
        files
          .list("store.quarantine", dir)
          .filter((name) => name.startsWith(prefix))
          .map((name) => name.replace(/-(?:wal|shm)$/, "")),
      ),
    ];
    for (const name of kept.slice(0, Math.max(0, kept.length - QUARANTINED_MAX))) {
      for (const suffix of ["", "-wal", "-shm"]) files.remove("store.quarantine", `${dir}/${name}${suffix}`);
    }
  }
}
