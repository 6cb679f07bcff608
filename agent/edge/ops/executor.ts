import type { CheckedOp, OpKindName, OpParams } from "../../../shared/ops/catalogue.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { OpPayload } from "../../../shared/trust/payloads.ts";
import type { Desk } from "../desk.ts";
import type { WorkerClient } from "../worker/worker-client.ts";
import type { LedgerBook } from "./ledger-book.ts";
import type { OpSite } from "./op-site.ts";
import type { AnswerFields } from "./signer.ts";

/** What an executor works with. It makes no choices: whether it may run was decided before, and is on disk. */
export interface OpWork {
  readonly world: World;
  readonly desk: Desk;
  readonly workers: WorkerClient;
  readonly book: LedgerBook;
  readonly site: OpSite;
  readonly payload: OpPayload;
  readonly limitMs: number;
  /** Aborts when it is to end: cancelled, out of time, or the agent stops. */
  readonly stop: AbortSignal;
  readonly say: (from: "stdout" | "stderr", bytes: Uint8Array) => void;
  /** Makes it durable which process works for this op: called before that process does anything. */
  readonly processIs: (pid: number) => void;
}

export interface Outcome {
  readonly as: "done" | "failed";
  readonly fields: AnswerFields;
  /** It did not come to its own end. */
  readonly wasKilled?: boolean;
  /** After the answer is durable: what ends this process, or the machine. */
  readonly afterwards?: () => Promise<void>;
}

export type Executor<K extends OpKindName> = (params: OpParams[K], work: OpWork) => Promise<Outcome>;

/** How many bytes of each stream an answer may carry. */
export const OUTPUT_BYTES_DEFAULT = 1024 * 1024;

export function outputBytesMaxOf({ kind, params }: CheckedOp): number {
  if (kind === "cmd.run") return params.output_bytes_max;
  return kind === "file.get" ? params.bytes_max : OUTPUT_BYTES_DEFAULT;
}

export const done = (data?: unknown): Outcome => ({ as: "done", fields: data === undefined ? {} : { data } });
export const failed = (code: string, detail: string): Outcome => ({ as: "failed", fields: { code, detail } });
