import type { Envelope } from "../../shared/protocol/fields.ts";
import {
  carriedReturns,
  type CarriedReturns,
  opItem,
  opLogItem,
  opReturnItem,
  opTargetItem,
  type OpItem,
  type OpLogItem,
  type OpReturnItem,
  type OpTargetItem,
  type Pacing,
} from "../../shared/protocol/api/ops.ts";
import { pages, path, type Query } from "./hub-api.ts";
import type { HubConnection } from "./hub-connection.ts";

/** The routes of ops as functions, beside those of `hub-api.ts`. A courier's word, all of it: bytes and signatures inside are judged elsewhere. */

/** Uploading is safe to repeat: the same bytes are the same op. */
export const uploadOp = (hub: HubConnection, envelope: Envelope, pacing?: Pacing): Promise<OpItem> =>
  hub.ask({
    op: "hub.ops.upload",
    method: "POST",
    path: "/api/v1/ops",
    body: { envelope, ...(pacing === undefined ? {} : { pacing }) },
    reply: opItem,
    isRepeatable: true,
  });
export const draftOp = (hub: HubConnection, draft: { readonly payload: string; readonly pacing?: Pacing; readonly note?: string }): Promise<OpItem> =>
  hub.ask({ op: "hub.ops.draft", method: "POST", path: "/api/v1/ops/drafts", body: draft, reply: opItem });
/** One more signature on the bytes that the hub holds. Also safe to repeat. */
export const addOpSignature = (hub: HubConnection, opId: string, signature: Envelope["signatures"][number]): Promise<OpItem> =>
  hub.ask({ op: "hub.ops.sign", method: "POST", path: path`/api/v1/ops/${opId}/signatures`, body: signature, reply: opItem });
export const listOps = (hub: HubConnection, query: Query = {}): AsyncGenerator<OpItem> =>
  pages(hub, { op: "hub.ops", path: "/api/v1/ops", item: opItem, query });
export const getOp = (hub: HubConnection, opId: string): Promise<OpItem> =>
  hub.ask({ op: "hub.ops.show", method: "GET", path: path`/api/v1/ops/${opId}`, reply: opItem });
export const cancelOp = (hub: HubConnection, opId: string): Promise<OpItem> =>
  hub.ask({ op: "hub.ops.cancel", method: "POST", path: path`/api/v1/ops/${opId}/cancel`, reply: opItem });
export const listTargets = (hub: HubConnection, opId: string, query: Query = {}): AsyncGenerator<OpTargetItem> =>
  pages(hub, { op: "hub.ops.targets", path: path`/api/v1/ops/${opId}/targets`, item: opTargetItem, query });
export const listReturns = (hub: HubConnection, opId: string, query: Query = {}): AsyncGenerator<OpReturnItem> =>
  pages(hub, { op: "hub.ops.returns", path: path`/api/v1/ops/${opId}/returns`, item: opReturnItem, query });
/** Safe to repeat: a record that is there already is left alone. */
export const uploadReturns = (hub: HubConnection, envelopes: readonly Envelope[]): Promise<CarriedReturns> =>
  hub.ask({ op: "hub.returns.upload", method: "POST", path: "/api/v1/returns", body: { envelopes }, reply: carriedReturns });
export const listOpLog = (hub: HubConnection, hostId: string, query: Query = {}): AsyncGenerator<OpLogItem> =>
  pages(hub, { op: "hub.hosts.op-log", path: path`/api/v1/hosts/${hostId}/op-log`, item: opLogItem, query });
