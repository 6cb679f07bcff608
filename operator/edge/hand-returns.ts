import { isFault } from "../../shared/core/fault.ts";
import { CARRIED_RETURNS_MAX } from "../../shared/protocol/api/ops.ts";
import type { Envelope } from "../../shared/protocol/fields.ts";
import type { HubConnection } from "./hub-connection.ts";
import { uploadReturns } from "./hub-ops.ts";

/** How a file of signed answers fared at the hub. */
export interface Handed {
  readonly taken: number;
  /** It had them: from the box itself, or from an earlier import. */
  readonly known: number;
  /** The hub keeps the answers, and not the op that they answer. */
  readonly opsMissing: readonly string[];
  readonly refused: readonly { readonly code: string; readonly why: string }[];
}

/** Text of one request, well below what the hub's route takes. */
const BATCH_CHARS_MAX = 512 * 1024;

/** In batches and in their order. A batch that the hub refuses goes record by record, so that one bad one does not keep the others out. */
export async function handReturns(hub: HubConnection, envelopes: readonly Envelope[]): Promise<Handed> {
  const missing = new Set<string>();
  const refused: { readonly code: string; readonly why: string }[] = [];
  let [taken, known] = [0, 0];
  const hand = async (batch: readonly Envelope[]): Promise<void> => {
    try {
      const reply = await uploadReturns(hub, batch);
      taken += reply.taken;
      known += reply.known;
      for (const id of reply.ops_missing) missing.add(id);
    } catch (error) {
      if (!isFault(error, "refused")) throw error;
      if (batch.length > 1) for (const envelope of batch) await hand([envelope]);
      else refused.push({ code: String(error.facts["hub_code"] ?? error.code), why: error.message });
    }
  };
  for (const batch of batches(envelopes)) await hand(batch);
  return { taken, known, opsMissing: [...missing], refused };
}

function batches(envelopes: readonly Envelope[]): readonly (readonly Envelope[])[] {
  const made: Envelope[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const envelope of envelopes) {
    const last = made.at(-1);
    const more = envelope.payload.length;
    if (last === undefined || last.length >= CARRIED_RETURNS_MAX || chars + more > BATCH_CHARS_MAX) {
      made.push([envelope]);
      chars = more;
      continue;
    }
    last.push(envelope);
    chars += more;
  }
  return made;
}
