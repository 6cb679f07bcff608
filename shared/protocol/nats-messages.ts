/**
 * What is said over NATS: MessagePack, one small map each, `v` first. Additive only, as every message; unknown members are ignored. No
 * schema library here, because an attached agent reads these too. Whatever an envelope holds is judged by its signature alone; who
 * sent a message is known from the subject, which the server guards.
 */
import { Decoder, encode } from "@msgpack/msgpack";

/** On `….op`: an op's envelope, the JSON bytes that would lie in a file. Without one: the hub has come, and asks who is there. */
export interface NatsOp {
  readonly envelope: Uint8Array | undefined;
}
/** On `….ack`: the box has written it down, or has refused it; its answer follows. */
export interface NatsAck {
  readonly opId: string;
}
/** On `….return`: one signed record. */
export interface NatsReturn {
  readonly envelope: Uint8Array;
}
/** On `….alive`. `leaving`: from here on it listens to its sync only. */
export interface NatsAlive {
  readonly leaving: boolean;
}

export const NATS_ENVELOPE_BYTES_MAX = 2 * 1024 * 1024;
const MEMBERS_MAX = 16;
const OP_ID = /^o-[a-z2-7]{16}$/;

export const encodeNatsOp = ({ envelope }: NatsOp): Uint8Array => encode({ v: 1, ...(envelope === undefined ? {} : { envelope }) });
export const encodeNatsAck = ({ opId }: NatsAck): Uint8Array => encode({ v: 1, op_id: opId });
export const encodeNatsReturn = ({ envelope }: NatsReturn): Uint8Array => encode({ v: 1, envelope });
export const encodeNatsAlive = ({ leaving }: NatsAlive): Uint8Array => encode({ v: 1, ...(leaving ? { leaving } : {}) });

/** `undefined` for whatever is not of the agreed form. */
export function decodeNatsOp(bytes: Uint8Array): NatsOp | undefined {
  const known = members(bytes);
  const envelope = known?.get("envelope");
  if (envelope === undefined) return known === undefined ? undefined : { envelope };
  return envelope instanceof Uint8Array ? { envelope } : undefined;
}

export function decodeNatsAck(bytes: Uint8Array): NatsAck | undefined {
  const opId = members(bytes)?.get("op_id");
  return typeof opId === "string" && OP_ID.test(opId) ? { opId } : undefined;
}

export function decodeNatsReturn(bytes: Uint8Array): NatsReturn | undefined {
  const envelope = members(bytes)?.get("envelope");
  return envelope instanceof Uint8Array ? { envelope } : undefined;
}

export function decodeNatsAlive(bytes: Uint8Array): NatsAlive | undefined {
  const known = members(bytes);
  return known === undefined ? undefined : { leaving: known.get("leaving") === true };
}

/** The bounds are the decoder's own: nothing is allocated for a length that a few bytes claim. It begins anew with each message; making one costs as much as a message. */
const decoder = new Decoder({
  maxStrLength: 4_096,
  maxBinLength: NATS_ENVELOPE_BYTES_MAX,
  maxArrayLength: 64,
  maxMapLength: MEMBERS_MAX,
  maxExtLength: 64,
});

function members(bytes: Uint8Array): ReadonlyMap<string, unknown> | undefined {
  try {
    const value = decoder.decode(bytes);
    if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Uint8Array) return undefined;
    const known = new Map<string, unknown>(Object.entries(value));
    const version = known.get("v");
    return typeof version === "number" && Number.isInteger(version) && version >= 1 ? known : undefined;
  } catch {
    return undefined; // whatever came there, it is none of ours
  }
}
