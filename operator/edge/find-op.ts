import { Fault } from "../../shared/core/fault.ts";
import { fromBase64 } from "../../shared/core/bytes.ts";
import type { OpItem } from "../../shared/protocol/api/ops.ts";
import type { Envelope } from "../../shared/trust/envelope.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { type DraftedOp, readDraft } from "../../shared/trust/op.ts";
import { opId, payloadType } from "../../shared/trust/payloads.ts";
import { refuse, type Verdict } from "../../shared/trust/verdict.ts";
import { take } from "./hub-api.ts";
import { getOp, listOps } from "./hub-ops.ts";
import type { Session } from "./session.ts";

/** One op by its id, by the beginning of it, or `last`. What is shown of it is read from its payload bytes, never from the hub's words. */
const LOOKED_AT_MAX = 500;
const PREFIX_CHARS_MIN = 3;

export async function findOp(session: Pick<Session, "hub">, asked: string): Promise<OpItem> {
  if (opId.safeParse(asked).success) return getOp(session.hub, asked);
  if (asked === "last") {
    const [newest] = await take(listOps(session.hub, { limit: 1 }), 1);
    if (newest === undefined) throw new Fault("not_found", "Cannot find the last op: there is none yet");
    return newest;
  }
  const prefix = asked.startsWith("o-") ? asked : `o-${asked}`;
  if (prefix.length < 2 + PREFIX_CHARS_MIN || !/^o-[a-z2-7]+$/.test(prefix)) throw noOp(asked);
  const found = (await take(listOps(session.hub), LOOKED_AT_MAX)).filter((item) => item.op_id.startsWith(prefix));
  const [only] = found;
  if (only === undefined) throw noOp(asked);
  if (found.length > 1)
    throw new Fault("conflict", `Cannot tell which op is meant: ${found.length} begin with ${prefix}`, {
      remedy: `Write more of it: ${found
        .slice(0, 4)
        .map(({ op_id }) => op_id)
        .join(", ")}`,
    });
  return only;
}

const noOp = (asked: string): Fault => new Fault("not_found", `Cannot find the op ${asked.slice(0, 40)}`, { remedy: "felhom job list shows the newest." });

/** Payload bytes read against the pinned root. A hub that gives another op than the one it names is refused. */
export function readItem(item: OpItem, { root }: Pick<Session, "root">): Verdict<DraftedOp> {
  const bytes = fromBase64(item.payload);
  if (bytes === undefined) return refuse("envelope_malformed", "payload is not canonical base64");
  const draft = readDraft(bytes, root);
  if (!draft.ok || draft.value.payload.id === item.op_id) return draft;
  return refuse("op_mismatch", `the hub gave ${draft.value.payload.id} as ${item.op_id}`);
}

export async function mustFindOp(session: Pick<Session, "hub" | "root">, asked: string): Promise<{ readonly item: OpItem; readonly op: DraftedOp }> {
  const item = await findOp(session, asked);
  return { item, op: mustVerify(readItem(item, session), `Cannot read ${item.op_id}`, "felhom op show says what is wrong with it.") };
}

/** The same, and it was given its hosts: before that there is nobody who could answer. */
export async function mustFindJob(session: Pick<Session, "hub" | "root">, asked: string): Promise<{ readonly item: OpItem; readonly op: DraftedOp }> {
  const found = await mustFindOp(session, asked);
  const { op_id, state, total } = found.item;
  if (state === "draft" || state === "pending")
    throw new Fault("conflict", `Cannot look for answers to ${op_id}: it waits for signatures`, { remedy: `felhom sign show ${op_id}` });
  if (total > 0 || (state !== "cancelled" && state !== "expired")) return found;
  throw new Fault("conflict", `Cannot look for answers to ${op_id}: it ${state === "cancelled" ? "was taken back" : "expired"} before it was signed`, {
    remedy: `No box was given it. felhom op show ${op_id}`,
  });
}

export const envelopeOf = (item: OpItem): Envelope => ({ payload: item.payload, payloadType: payloadType("op"), signatures: item.signatures });
