/**
 * Where ops come in, from whichever courier. This file is all of them that an idle agent holds: the rest is loaded at the first op,
 * or at the start when a crash left one unfinished or the ledger's witnesses disagree.
 */
import { isFault } from "../../../shared/core/fault.ts";
import type { Health } from "../../../shared/core/health.ts";
import type { Metric } from "../../../shared/core/metrics.ts";
import { utf8 } from "../../../shared/core/bytes.ts";
import type { Envelope } from "../../../shared/protocol/fields.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Service } from "../../../shared/service.ts";
import { paths } from "../../core/desired/paths.ts";
import { isEnvelope, parseJson } from "../../../shared/protocol/plain-json.ts";
import type { OpsStatus } from "../../core/status/agent-status.ts";
import type { Desk } from "../desk.ts";
import type { WorkerClient } from "../worker/worker-client.ts";
import type { Carrier } from "./ledger-book.ts";
import type { Offered } from "./offers.ts";
import type { Operations } from "./operations.ts";

/** A return is below 256 KiB as a rule: a slice stays within what the local socket carries. */
const SLICE_ROWS = 12;
/** An op that a crash left and that could not be taken up is looked at again so often. */
const OWED_LOOK_MS = 60_000;

export class OpsDoor {
  readonly #world: World;
  readonly #desk: Desk;
  readonly #workers: WorkerClient;
  #operations: Promise<Operations> | undefined;
  #opened: Operations | undefined;
  readonly #broken = Promise.withResolvers<never>();

  constructor(world: World, desk: Desk, workers: WorkerClient) {
    this.#world = world;
    this.#desk = desk;
    this.#workers = workers;
    this.#broken.promise.catch(() => undefined);
    desk.opsStatus = () => this.status();
  }

  service(): Service {
    return {
      name: "ops",
      start: async (stop) => {
        this.#operations = undefined;
        await this.#takeUp();
        return { done: this.#run(stop) };
      },
      health: () => this.#health(),
      metrics: () => this.#metrics(),
    };
  }

  /** What a sync brought, in its order. Says how many ops were news to this box. */
  async fromSync(reply: { readonly ops?: readonly Envelope[] | undefined; readonly cancelled?: readonly string[] | undefined }): Promise<number> {
    const { ops = [], cancelled = [] } = reply;
    if (cancelled.length > 0) (await this.#openIfAny())?.cancel(cancelled);
    if (ops.length === 0) return 0;
    const operations = await this.#open();
    return operations.offerAll(
      ops.map((envelope) => utf8(JSON.stringify(envelope))),
      "sync",
    );
  }

  async offer(bytes: Uint8Array, carrier: Carrier): Promise<Offered> {
    return (await this.#open()).offer(bytes, carrier);
  }

  /** The highest generation that the hub has seen: above ours, this is an older copy of the box. */
  async heard(generation: number): Promise<void> {
    if (generation > this.generation()) (await this.#open()).heard(generation);
  }

  generation(): number {
    return (
      this.#desk.store.use((database) => database.get<{ generation: number }>("ledger.generation", "SELECT generation FROM ledger WHERE id = 1"))?.generation ??
      0
    );
  }

  status(): OpsStatus {
    const row = this.#desk.store.use((database) =>
      database.get<{ generation: number; incident_is: string | null; incident: string | null }>(
        "ledger.status",
        "SELECT generation, incident_is, incident FROM ledger WHERE id = 1",
      ),
    );
    const log = this.#desk.store.use((database) =>
      database.get<{ seq: number; hash: string }>("oplog.head", "SELECT seq, hash FROM op_log ORDER BY seq DESC LIMIT 1"),
    );
    const { running, waiting } = this.#opened?.status() ?? { running: [], waiting: 0 };
    return {
      generation: row?.generation ?? 0,
      ...(row?.incident === undefined || row.incident === null ? {} : { incident: { is: row.incident_is ?? "damaged", id: row.incident } }),
      running: [...running],
      waiting,
      ...(log === undefined ? {} : { log: { seq: log.seq, hash: log.hash } }),
    };
  }

  /** How an op of the ledger stands, and its final answer. */
  opOf(id: string): { readonly state: string | null; readonly answer: Envelope | null } {
    const row = this.#desk.store.use((database) =>
      database.get<{ state: string; answer: string | null }>("ledger.look", "SELECT state, answer FROM op WHERE id = ?", id),
    );
    const answer = row?.answer === undefined || row.answer === null ? undefined : parseJson(row.answer);
    return { state: row?.state ?? null, answer: isEnvelope(answer) ? answer : null };
  }

  /** Answers that no hub has acknowledged, in slices: what goes home on a stick. */
  returns(after: number): { readonly returns: readonly Envelope[]; readonly after: number; readonly more: boolean } {
    const rows = this.#desk.store.use((database) =>
      database.all<{ seq: number; bytes: number; body: string }>(
        "outbox.returns",
        "SELECT seq, bytes, body FROM outbox WHERE kind = 'return' AND seq > ? ORDER BY seq LIMIT ?",
        after,
        SLICE_ROWS,
      ),
    );
    const bodies = rows.map(({ body }) => parseJson(body)).filter(isEnvelope);
    return { returns: bodies, after: rows.at(-1)?.seq ?? after, more: rows.length === SLICE_ROWS };
  }

  /** The newest entries, oldest of them first. */
  log(entriesMax: number): readonly string[] {
    return this.#desk.store
      .use((database) => database.all<{ entry: string }>("oplog.read", "SELECT entry FROM op_log ORDER BY seq DESC LIMIT ?", entriesMax))
      .map(({ entry }) => entry)
      .toReversed();
  }

  async #run(stop: AbortSignal): Promise<void> {
    try {
      while (!stop.aborted) {
        await Promise.race([this.#world.clock.sleep(OWED_LOOK_MS, stop), this.#broken.promise]);
        if (!stop.aborted) await this.#takeUp();
      }
    } finally {
      const operations = this.#opened;
      this.#opened = undefined;
      this.#operations = undefined;
      await operations?.stop();
    }
  }

  /** What a crash left is answered as soon as that can be written: a full disk delays it and keeps nothing else from running. */
  async #takeUp(): Promise<void> {
    if (this.#opened !== undefined || !this.#isOwed()) return;
    try {
      await this.#open();
    } catch (error) {
      if (!isFault(error) || error.code === "disk_failed") throw error;
      this.#world.log.event("error", "op.failed", { code: error.code }, error);
    }
  }

  #open(): Promise<Operations> {
    this.#operations ??= this.#load();
    return this.#operations;
  }

  async #load(): Promise<Operations> {
    try {
      const { Operations } = await import("./operations.ts");
      const operations = new Operations(this.#world, this.#desk, this.#workers);
      await operations.open();
      operations.broken.promise.catch((error: unknown) => this.#broken.reject(error));
      this.#opened = operations;
      return operations;
    } catch (error) {
      this.#operations = undefined;
      throw error;
    }
  }

  #openIfAny(): Promise<Operations | undefined> {
    return this.#operations ?? Promise.resolve(undefined);
  }

  /** An op that a crash left, or a marker that says more than the database does. */
  #isOwed(): boolean {
    if (this.#desk.membership() === undefined) return false;
    const active = this.#desk.store.use((database) => database.get("ledger.owed", "SELECT 1 AS owed FROM op WHERE state IN ('admitted', 'running') LIMIT 1"));
    if (active !== undefined) return true;
    return this.#world.files.stat("ledger.marker", paths(this.#desk.settings.dataDir).ledgerMarker) !== undefined && this.generation() === 0;
  }

  #health(): Health {
    const { incident } = this.status();
    if (incident === undefined) return { is: "healthy" };
    const why = incident.is === "behind" ? "an older copy of this box's data was put back" : "the record of ops was damaged";
    return { is: "degraded", because: `${why}: only a signed agent.recover-ledger for ${incident.id} lets it take ops again` };
  }

  #metrics(): readonly Metric[] {
    const { generation, incident, running, waiting } = this.status();
    return [
      { name: "felhom_agent_ops_total", help: "Ops that this box wrote into its ledger.", type: "counter", samples: [{ value: generation }] },
      { name: "felhom_agent_ops_running", help: "Ops that run now.", type: "gauge", samples: [{ value: running.length }] },
      { name: "felhom_agent_ops_waiting", help: "Ops that wait for their turn.", type: "gauge", samples: [{ value: waiting }] },
      {
        name: "felhom_agent_ledger_unsafe",
        help: "1 while the record of ops can't be believed.",
        type: "gauge",
        samples: [{ value: incident === undefined ? 0 : 1 }],
      },
    ];
  }
}
