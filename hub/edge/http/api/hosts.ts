/** Hosts, read: the list with its filters, one host with every envelope that the operator's tools verify by themselves, its timeline. */
import * as z from "zod/mini";
import { utf8 } from "../../../../shared/core/bytes.ts";
import { Fault } from "../../../../shared/core/fault.ts";
import { sha256Hex } from "../../../../shared/core/sha256.ts";
import { eventItem } from "../../../../shared/protocol/api/fleet.ts";
import { type HostDetail, hostDetail, hostHealth, type HostItem, hostItem as hostItemSchema } from "../../../../shared/protocol/api/hosts.ts";
import { one, page } from "../../../../shared/protocol/api/page.ts";
import { hostSpec } from "../../../../shared/protocol/spec.ts";
import { matchesGlob, NAME_GLOB } from "../../../core/hosts/name-glob.ts";
import { decodeCursor, encodeCursor, PAGE_LIMIT_DEFAULT } from "../../../core/page/cursor.ts";
import type { Hub } from "../../hub.ts";
import { findHostView, type HostView, listHostViews } from "../../store/host-views.ts";
import { newestReport } from "../../store/reports.ts";
import { storedEnvelope } from "../../trust/load-root.ts";
import { defineRoute, type Route } from "../route.ts";
import { readEvents } from "./events.ts";
import { hostItem } from "./host-view.ts";
import { isHostIdText, pageQuery } from "./query.ts";
import { oneBody, pageBody } from "./reply.ts";

/** Rows read for one page of a filtered list: a filter that matches nobody ends a page early instead of reading a fleet at once. */
const ROWS_PER_PAGE_MAX = 10_000;
const ROWS_PER_READ = 500;

const filters = {
  contact: z.optional(hostItemSchema.shape.contact),
  health: z.optional(hostHealth),
  name: z.optional(z.string().check(z.regex(NAME_GLOB))),
  label: z.optional(z.string().check(z.regex(/^[a-z0-9._-]{1,63}(?:=.{0,256})?$/))),
};
const listQuery = z.strictObject({ ...pageQuery, ...filters });
type ListQuery = z.infer<typeof listQuery>;

export function hostRoutes(hub: Hub): readonly Route[] {
  return [listRoute(hub), showRoute(hub), timelineRoute(hub)];
}

function listRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/hosts",
      capability: "fleet.read",
      summary: "Hosts by name; contact, health, name (a glob) and label (key or key=value) narrow the list",
      bodyBytesMax: 0,
      query: listQuery,
      replies: { 200: { what: "Hosts", schema: page("HostList", hostItemSchema) }, 304: { what: "Not changed since the ETag in If-None-Match" } },
      errors: ["bad_request"],
    },
    async ({ query, request }) => {
      const { items, next } = await collect(hub, query);
      const body = pageBody("HostList", items, next);
      const etag = `"${sha256Hex(utf8(JSON.stringify(body))).slice(0, 32)}"`;
      if (request.headers.get("if-none-match") === etag) return { status: 304, headers: { etag } };
      return { status: 200, body, headers: { etag, "cache-control": "private, no-cache" } };
    },
  );
}

/** Contact lives in memory, so the filters run over rows as they are read; the cursor is the last row looked at, shown or not. */
async function collect(hub: Hub, query: ListQuery): Promise<{ readonly items: readonly HostItem[]; readonly next: string | undefined }> {
  const limit = query.limit ?? PAGE_LIMIT_DEFAULT;
  const [name = "", hostId = ""] = query.cursor === undefined ? [] : decodeCursor("hosts", ["string", "string"], query.cursor);
  let after = { name: String(name), hostId: String(hostId) };
  const items: HostItem[] = [];
  for (let read = 0; read < ROWS_PER_PAGE_MAX; read += ROWS_PER_READ) {
    const from = after;
    const rows = await hub.store.read((db) => listHostViews(db, from, ROWS_PER_READ));
    for (const row of rows) {
      const item = hostItem(hub, row);
      if (!passes(item, query)) continue;
      if (items.length === limit) return { items, next: encodeCursor("hosts", [after.name, after.hostId]) };
      items.push(item);
      after = { name: row.name, hostId: row.host_id };
    }
    const last = rows.at(-1);
    if (rows.length < ROWS_PER_READ || last === undefined) return { items, next: undefined };
    if (items.length < limit) after = { name: last.name, hostId: last.host_id };
  }
  return { items, next: encodeCursor("hosts", [after.name, after.hostId]) };
}

function passes(item: HostItem, { contact, health, name, label }: ListQuery): boolean {
  if (contact !== undefined && item.contact !== contact) return false;
  if (health !== undefined && item.health !== health) return false;
  if (name !== undefined && !matchesGlob(name, item.name)) return false;
  if (label === undefined) return true;
  const split = label.indexOf("=");
  const key = split < 0 ? label : label.slice(0, split);
  if (!Object.hasOwn(item.labels, key)) return false;
  return split < 0 || item.labels[key] === label.slice(split + 1);
}

function showRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/hosts/{host_id}",
      capability: "fleet.read",
      summary: "One host, with the envelopes that prove what is said of it",
      bodyBytesMax: 0,
      replies: { 200: { what: "The host", schema: one("Host", hostDetail) } },
      errors: ["not_found"],
    },
    async ({ params }) => {
      const row = await findView(hub, params["host_id"]);
      return { status: 200, body: oneBody("Host", await detailOf(hub, row)) };
    },
  );
}

async function detailOf(hub: Hub, row: HostView): Promise<HostDetail> {
  const entry = hub.hosts.get(row.host_id);
  const [report, facts] = await hub.store.read((db) => [newestReport(db, row.host_id, "report"), newestReport(db, row.host_id, "facts")] as const);
  const envelopeOf = (what: string, text: string | null | undefined) => (text === null || text === undefined ? null : storedEnvelope(what, text));
  return {
    ...hostItem(hub, row),
    host_cert: envelopeOf("certificate", row.host_cert),
    grant: envelopeOf("grant", row.grant_envelope),
    admission: envelopeOf("admission", row.admission),
    report: envelopeOf("report", report?.envelope),
    report_received_at: report?.received_at ?? null,
    facts: envelopeOf("facts", facts?.envelope),
    facts_received_at: facts?.received_at ?? null,
    metrics: { ...entry?.metrics },
    spec: hostSpec.parse(JSON.parse(row.spec)),
    boot_id: entry === undefined || entry.bootId === "" ? row.boot_id : entry.bootId,
    address: entry === undefined || entry.address === "" ? row.address : entry.address,
  };
}

function timelineRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/hosts/{host_id}/timeline",
      capability: "fleet.read",
      summary: "What happened to one host, newest first",
      bodyBytesMax: 0,
      query: z.strictObject(pageQuery),
      replies: { 200: { what: "Events of this host", schema: page("EventList", eventItem) } },
      errors: ["not_found"],
    },
    async ({ params, query }) => {
      const row = await findView(hub, params["host_id"]);
      return readEvents(hub, query, { host: row.host_id });
    },
  );
}

/** Throws `not_found`, the same for an id of no form and an id of no host. */
export async function findView(hub: Hub, id: string | undefined): Promise<HostView> {
  const row = id !== undefined && isHostIdText(id) ? await hub.store.read((db) => findHostView(db, id)) : undefined;
  if (row === undefined) throw noHost(id);
  return row;
}

export function noHost(id: string | undefined): Fault {
  return new Fault("not_found", `Cannot find host ${JSON.stringify((id ?? "").slice(0, 32))}: there is none with this id`, { remedy: "felhom host list" });
}
