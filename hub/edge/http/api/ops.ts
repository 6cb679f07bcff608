/**
 * Ops: uploads, drafts, signatures, cancelling; lists, targets, returns and a box's own log of ops. The hub reads what it takes as a
 * courtesy and queues it; it can add nothing to it that a box would obey.
 */
import * as z from "zod/mini";
import { Fault } from "../../../../shared/core/fault.ts";
import { one, page } from "../../../../shared/protocol/api/page.ts";
import { opItem, opLogItem, opReturnItem, type OpState, opState, opTargetItem, type TargetState, targetState } from "../../../../shared/protocol/api/ops.ts";
import { hostId } from "../../../../shared/protocol/fields.ts";
import { OP_STATES, isFinalOp } from "../../../core/ops/op-state.ts";
import { decodeCursor, encodeCursor, PAGE_LIMIT_DEFAULT } from "../../../core/page/cursor.ts";
import type { Hub } from "../../hub.ts";
import { listOpLog } from "../../store/op-log.ts";
import { listReturns } from "../../store/op-returns.ts";
import { findOp, type ListedOp, listOps, type OpRow } from "../../store/ops.ts";
import { listTargets } from "../../store/op-targets.ts";
import { defineRoute, type Route } from "../route.ts";
import { findView } from "./hosts.ts";
import { opItemOf, opLogOf, opReturnOf, opTargetOf } from "./op-item.ts";
import { opEditRoutes } from "./op-edits.ts";
import { returnStream } from "./return-stream.ts";
import { pageQuery, queryInt, readPage } from "./query.ts";
import { oneBody, pageBody } from "./reply.ts";

const STATES_CHARS_MAX = 128;
/** Text of envelopes in one page of ops, above which the rest waits for the next. */
const LIST_CHARS_MAX = 4 * 1024 * 1024;
/** Text of returns in one page. */
const RETURNS_CHARS_MAX = 4 * 1024 * 1024;
export const OP_ID = /^o-[a-z2-7]{16}$/;

export function opRoutes(hub: Hub): readonly Route[] {
  return [listRoute(hub), showRoute(hub), targetsRoute(hub), returnsRoute(hub), streamRoute(hub), logRoute(hub), ...opEditRoutes(hub)];
}

function listRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/ops",
      capability: "fleet.read",
      summary: "Ops, newest first; a page ends early rather than grow large",
      bodyBytesMax: 0,
      query: z.strictObject({
        ...pageQuery,
        state: z.optional(z.string().check(z.maxLength(STATES_CHARS_MAX))),
        kind: z.optional(z.string().check(z.maxLength(64))),
      }),
      replies: { 200: { what: "Ops", schema: page("OpList", opItem) } },
      errors: ["bad_request"],
    },
    async ({ query }) => {
      const states = parseStates(query.state);
      const { limit = PAGE_LIMIT_DEFAULT, cursor, kind } = query;
      const after = cursor === undefined ? undefined : decodeCursor("ops", ["number"], cursor);
      const beforeSeq = Number(after?.[0] ?? Number.MAX_SAFE_INTEGER);
      const filter = { beforeSeq, limit: limit + 1, ...(states === undefined ? {} : { states }), ...(kind === undefined ? {} : { kind }) };
      return hub.store.read((db) => {
        const rows = listOps(db, filter);
        const shown = fitting(rows.slice(0, limit), ({ envelope_chars }) => envelope_chars, LIST_CHARS_MAX);
        const last = shown.at(-1);
        const next = rows.length > shown.length && last !== undefined ? encodeCursor("ops", [last.op_seq]) : undefined;
        return {
          status: 200,
          body: pageBody(
            "OpList",
            shown.map((row: ListedOp) => opItemOf(db, row)),
            next,
          ),
        };
      });
    },
  );
}

/** As many from the front as fit; at least one. */
function fitting<Row>(rows: readonly Row[], charsOf: (row: Row) => number, charsMax: number): readonly Row[] {
  let chars = 0;
  const upto = rows.findIndex((row, at) => {
    chars += charsOf(row);
    return at > 0 && chars > charsMax;
  });
  return upto < 0 ? rows : rows.slice(0, upto);
}

function showRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/ops/{op_id}",
      capability: "fleet.read",
      summary: "One op, with the bytes that were signed",
      bodyBytesMax: 0,
      replies: { 200: { what: "The op", schema: one("Op", opItem) } },
      errors: ["not_found"],
    },
    async ({ params }) =>
      hub.store.read((db) => ({ status: 200, body: oneBody("Op", opItemOf(db, opOrNone(findOp(db, params["op_id"] ?? ""), params["op_id"]))) })),
  );
}

function targetsRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/ops/{op_id}/targets",
      capability: "fleet.read",
      summary: "How each host of an op stands, by host id",
      bodyBytesMax: 0,
      query: z.strictObject({ ...pageQuery, state: z.optional(z.string().check(z.maxLength(STATES_CHARS_MAX))) }),
      replies: { 200: { what: "Hosts that should answer", schema: page("OpTargetList", opTargetItem) } },
      errors: ["not_found", "bad_request"],
    },
    async ({ params, query }) => {
      const states = parseTargetStates(query.state);
      const { rows, next } = await hub.store.read((db) => {
        const op = opOrNone(findOp(db, params["op_id"] ?? ""), params["op_id"]);
        return readPage(
          "op-targets",
          query,
          ["string"],
          (after, limit) => listTargets(db, op.op_seq, String(after?.[0] ?? ""), states, limit),
          (row) => [row.host_id],
        );
      });
      return {
        status: 200,
        body: pageBody(
          "OpTargetList",
          rows.map((row) => opTargetOf(hub, row)),
          next,
        ),
      };
    },
  );
}

function returnsRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/ops/{op_id}/returns",
      capability: "fleet.read",
      summary: "What hosts answered, as they signed it, oldest first; a page ends early rather than grow large",
      bodyBytesMax: 0,
      query: z.strictObject({ ...pageQuery, since: z.optional(queryInt(0, Number.MAX_SAFE_INTEGER)), host: z.optional(hostId) }),
      replies: { 200: { what: "Signed records", schema: page("OpReturnList", opReturnItem) } },
      errors: ["not_found", "bad_request"],
    },
    async ({ params, query }) => {
      const opId = params["op_id"] ?? "";
      const { limit = PAGE_LIMIT_DEFAULT, cursor, since = 0, host } = query;
      const after = cursor === undefined ? undefined : decodeCursor("op-returns", ["number"], cursor);
      const rows = await hub.store.read((db) => {
        const found = OP_ID.test(opId) ? listReturns(db, opId, { afterSeq: Math.max(since, Number(after?.[0] ?? 0)), hostId: host, limit: limit + 1 }) : [];
        // Answers may be here before the op they answer is.
        if (found.length === 0) opOrNone(findOp(db, opId), opId);
        return found;
      });
      const shown = fitting(rows.slice(0, limit), ({ envelope }) => envelope.length, RETURNS_CHARS_MAX);
      const last = shown.at(-1);
      const next = rows.length > shown.length && last !== undefined ? encodeCursor("op-returns", [last.seq]) : undefined;
      return { status: 200, body: pageBody("OpReturnList", shown.map(opReturnOf), next) };
    },
  );
}

function streamRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/ops/{op_id}/returns/stream",
      capability: "fleet.read",
      summary: "Returns of an op as they come, and how it stands (server-sent events); resumes after Last-Event-ID or since, ends with the op",
      bodyBytesMax: 0,
      query: z.strictObject({ since: z.optional(queryInt(0, Number.MAX_SAFE_INTEGER)) }),
      replies: {
        200: {
          what: "A stream: first `opened` with its position, then `return` events with their sequence as id, `op` events with the counts",
          type: "text/event-stream",
        },
      },
      errors: ["not_found", "bad_request", "unavailable"],
    },
    async (call) => {
      const opId = call.params["op_id"] ?? "";
      await hub.store.read((db) => opOrNone(findOp(db, opId), opId));
      return returnStream(hub, call, opId, call.query.since ?? 0);
    },
  );
}

function logRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/hosts/{host_id}/op-log",
      capability: "fleet.read",
      summary: "The hub's copy of a box's own log of ops, oldest first",
      bodyBytesMax: 0,
      query: z.strictObject({ ...pageQuery, since: z.optional(queryInt(0, Number.MAX_SAFE_INTEGER)) }),
      replies: { 200: { what: "Lines as the box wrote them; their hashes chain", schema: page("OpLogList", opLogItem) } },
      errors: ["not_found", "bad_request"],
    },
    async ({ params, query }) => {
      const host = await findView(hub, params["host_id"]);
      const { rows, next } = await hub.store.read((db) =>
        readPage(
          "op-log",
          query,
          ["number", "string"],
          (after, limit) =>
            listOpLog(
              db,
              host.host_id,
              after === undefined ? { seq: query.since ?? -1, sha256: AFTER_ALL } : { seq: Number(after[0]), sha256: String(after[1]) },
              limit,
            ),
          (row) => [row.seq, row.sha256],
        ),
      );
      return { status: 200, body: pageBody("OpLogList", rows.map(opLogOf), next) };
    },
  );
}

/** Sorts behind every hash. */
const AFTER_ALL = "g";

export function opOrNone(row: OpRow | undefined, opId: string | undefined): OpRow {
  if (row === undefined)
    throw new Fault("not_found", `Cannot find op ${JSON.stringify((opId ?? "").slice(0, 32))}: there is none with this id`, { remedy: "felhom op list" });
  return row;
}

function parseStates(text: string | undefined): readonly OpState[] | undefined {
  if (text === undefined) return undefined;
  if (text === "active") return OP_STATES.filter((state) => !isFinalOp(state));
  return text.split(",").map((part) => {
    const known = opState.safeParse(part);
    if (!known.success) throw noState(part, ["active", ...OP_STATES]);
    return known.data;
  });
}

function parseTargetStates(text: string | undefined): readonly TargetState[] | undefined {
  return text?.split(",").map((part) => {
    const known = targetState.safeParse(part);
    if (!known.success) throw noState(part, targetState.options);
    return known.data;
  });
}

const noState = (part: string, all: readonly string[]): Fault =>
  new Fault("bad_request", `Cannot filter by state ${JSON.stringify(part.slice(0, 32))}: there is no such state`, { remedy: `States: ${all.join(", ")}` });
