/**
 * One follower of one op: what was answered since its position, then each answer with the commit that stored it, and after each
 * change how the op stands. It ends by itself when the op's last state was told.
 */
import { Fault } from "../../../../shared/core/fault.ts";
import type { OpProgress } from "../../../../shared/protocol/api/ops.ts";
import { isFinalOp } from "../../../core/ops/op-state.ts";
import { findOperator } from "../../access/find-operator.ts";
import type { Hub } from "../../hub.ts";
import { type ListedReturn, listReturns } from "../../store/op-returns.ts";
import { findOp } from "../../store/ops.ts";
import type { RouteCall } from "../route.ts";
import { opProgressOf } from "./op-item.ts";
import { bearerOf, lastEventId, sseResponse } from "./sse-response.ts";

const COMMENT_EVERY_MS = 15_000;
const RECHECK_EVERY_MS = 5_000;
const RETURNS_PER_READ = 50;

export function returnStream(hub: Hub, call: Pick<RouteCall, "request" | "hold">, opId: string, since: number): Response {
  const { feed } = hub.jobs;
  const afterSeq = lastEventId(call.request) ?? since;
  if (!feed.join(opId)) throw new Fault("unavailable", `Cannot follow this op: ${feed.followers} clients follow one already`);
  return sseResponse(call, afterSeq, new Follower(hub, opId, bearerOf(call.request), afterSeq));
}

class Follower {
  readonly #hub: Hub;
  readonly #opId: string;
  readonly #secret: string;
  readonly #stop = new AbortController();
  #afterSeq: number;
  #told = "";
  #saidMonoMs: number;
  #checkedMonoMs: number;

  constructor(hub: Hub, opId: string, secret: string, afterSeq: number) {
    this.#hub = hub;
    this.#opId = opId;
    this.#secret = secret;
    this.#afterSeq = afterSeq;
    this.#saidMonoMs = this.#checkedMonoMs = hub.world.clock.monoMs();
  }

  end(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#hub.jobs.feed.leave(this.#opId);
  }

  /** The next piece of the stream, when there is one; nothing when it is over. */
  async next(): Promise<string | undefined> {
    const { clock } = this.#hub.world;
    const { feed } = this.#hub.jobs;
    let isOver = false;
    while (!isOver && !this.#stop.signal.aborted && !this.#hub.courier.isStopping) {
      if (clock.monoMs() - this.#checkedMonoMs >= RECHECK_EVERY_MS && !(await this.#mayLook())) break;
      const seen = feed.seen(this.#opId);
      const { op, rows } = await this.#read();
      const text = this.#textOf(op, rows);
      if (text !== "") {
        this.#saidMonoMs = clock.monoMs();
        return text;
      }
      // Everything was told, the last state too.
      isOver = op === undefined || isFinalOp(op.state);
      if (isOver) break;
      if (clock.monoMs() - this.#saidMonoMs >= COMMENT_EVERY_MS) {
        this.#saidMonoMs = clock.monoMs();
        return ": still here\n\n";
      }
      await feed.wait(this.#opId, seen, RECHECK_EVERY_MS, this.#stop.signal);
    }
    this.end();
    return undefined;
  }

  /** Returns first: whoever reads that the op is over has all of them. */
  #textOf(op: OpProgress | undefined, rows: readonly ListedReturn[]): string {
    this.#afterSeq = rows.at(-1)?.seq ?? this.#afterSeq;
    const returns = rows.map((row) => `id: ${row.seq}\nevent: return\ndata: ${returnText(row)}\n\n`).join("");
    if (op === undefined || rows.length === RETURNS_PER_READ) return returns;
    const progress = JSON.stringify(op);
    if (progress === this.#told) return returns;
    this.#told = progress;
    return `${returns}event: op\ndata: ${progress}\n\n`;
  }

  async #mayLook(): Promise<boolean> {
    this.#checkedMonoMs = this.#hub.world.clock.monoMs();
    return (await findOperator(this.#hub, this.#secret)).is !== "nobody";
  }

  #read(): Promise<{ readonly op: OpProgress | undefined; readonly rows: readonly ListedReturn[] }> {
    return this.#hub.store.read((db) => {
      const op = findOp(db, this.#opId);
      return {
        op: op === undefined ? undefined : opProgressOf(db, op),
        rows: listReturns(db, this.#opId, { afterSeq: this.#afterSeq, limit: RETURNS_PER_READ }),
      };
    });
  }
}

/** An `OpReturnItem`. The envelope is pasted in as it is stored, one line of JSON: whoever reads it verifies it, and finds damage by that. */
function returnText({ seq, host_id, received_at, envelope }: ListedReturn): string {
  return `{"seq":${seq},"host_id":${JSON.stringify(host_id)},"received_at":${received_at},"envelope":${envelope}}`;
}
