import { sha256Hex } from "../../../shared/protocol/fields.ts";
import type { Envelope } from "../../../shared/protocol/fields.ts";
import type { OpLogHead } from "../../../shared/ops/op-log.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import type { SigningKey } from "../../../shared/trust/keys.ts";
import { signReturn } from "../../../shared/trust/op.ts";
import type { ReturnPayload } from "../../../shared/trust/payloads.ts";

/** What every answer of this box says and is signed with. */
export interface Signer {
  readonly fleetId: HostIdentity["fleetId"];
  readonly hostId: HostIdentity["hostId"];
  readonly key: SigningKey;
}

export interface Answered {
  readonly opId: string;
  readonly opSha256: string;
}

export type AnswerFields = Pick<ReturnPayload, "code" | "detail" | "exit" | "signal" | "duration_ms" | "stdout" | "stderr" | "truncated" | "data">;

/** A batch of the outbox is 256 KiB and an envelope is a third larger than its payload. */
const DATA_CHARS_MAX = 120 * 1_024;
const DETAIL_CHARS_MAX = 2_048;

export interface Answer extends Answered {
  readonly part: number;
  readonly state: ReturnPayload["state"];
  readonly atMs: number;
  readonly fields: AnswerFields;
  readonly log?: OpLogHead;
}

export function signAnswer(signer: Signer, { opId, opSha256, part, state, atMs, fields, log }: Answer): Envelope {
  const { detail, code, data, ...rest } = fields;
  const fits = data === undefined || JSON.stringify(data).length <= DATA_CHARS_MAX;
  return signReturn(
    {
      v: 1,
      fleet_id: signer.fleetId,
      host_id: signer.hostId,
      op_id: opId,
      op_sha256: sha256Hex.parse(opSha256),
      part,
      state,
      at: atMs,
      ...rest,
      ...(code === undefined ? {} : { code: code.slice(0, 64) }),
      ...(detail === undefined ? {} : { detail: detail.slice(0, DETAIL_CHARS_MAX).toWellFormed() }),
      ...(data === undefined ? {} : fits ? { data: wellFormed(data) } : { truncated: true }),
      ...(log === undefined ? {} : { log: { seq: log.seq, hash: sha256Hex.parse(log.hash) } }),
    },
    signer.key,
  );
}

/** What is signed is well-formed Unicode; what a program printed need not be. */
function wellFormed(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, inner: unknown) => (typeof inner === "string" ? inner.toWellFormed() : inner)));
}
