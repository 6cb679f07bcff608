/** Who many hosts are, by what was signed about them: what a workstation holds a target to before it signs an op for it. */
import * as z from "zod/mini";
import { type HostProof, hostProof } from "../../../../shared/protocol/api/hosts.ts";
import { page } from "../../../../shared/protocol/api/page.ts";
import { hostId } from "../../../../shared/protocol/fields.ts";
import { decodeCursor, encodeCursor, PAGE_LIMIT_DEFAULT } from "../../../core/page/cursor.ts";
import type { Hub } from "../../hub.ts";
import { type HostView, listHostViews } from "../../store/host-views.ts";
import { newestReport } from "../../store/reports.ts";
import { storedEnvelope } from "../../trust/load-root.ts";
import { defineRoute, type Route } from "../route.ts";
import { pageQuery } from "./query.ts";
import { pageBody } from "./reply.ts";

/** Facts may be 128 KiB each: a page ends when it has this many characters. */
const PAGE_CHARS_MAX = 4 * 1_024 * 1_024;

const listQuery = z.strictObject({ ...pageQuery, facts: z.optional(z.enum(["true", "false"])) });

export function identityRoutes(hub: Hub): readonly Route[] {
  return [
    defineRoute(
      {
        method: "GET",
        path: "/api/v1/identities",
        capability: "fleet.read",
        summary: "Certificates of every host that was not revoked, by name; with facts=true also what each signed about itself",
        bodyBytesMax: 0,
        query: listQuery,
        replies: { 200: { what: "Hosts with what proves them", schema: page("HostProofList", hostProof) } },
        errors: ["bad_request"],
      },
      async ({ query }) => {
        const { items, next } = await collect(hub, query);
        return { status: 200, body: pageBody("HostProofList", items, next) };
      },
    ),
  ];
}

async function collect(hub: Hub, query: z.infer<typeof listQuery>): Promise<{ readonly items: readonly HostProof[]; readonly next: string | undefined }> {
  const limit = query.limit ?? PAGE_LIMIT_DEFAULT;
  const [name = "", id = ""] = query.cursor === undefined ? [] : decodeCursor("identities", ["string", "string"], query.cursor);
  return hub.store.read((db) => {
    const rows = listHostViews(db, { name: String(name), hostId: String(id) }, limit);
    const items: HostProof[] = [];
    let chars = 0;
    for (const row of rows) {
      const facts = query.facts === "true" ? newestReport(db, row.host_id, "facts")?.envelope : undefined;
      chars += (row.host_cert?.length ?? 0) + (row.grant_envelope?.length ?? 0) + (row.admission?.length ?? 0) + (facts?.length ?? 0);
      if (row.state !== "revoked") items.push(proofOf(hub, row, facts));
      if (chars > PAGE_CHARS_MAX) return { items, next: encodeCursor("identities", [row.name, row.host_id]) };
    }
    const last = rows.at(-1);
    return { items, next: rows.length < limit || last === undefined ? undefined : encodeCursor("identities", [last.name, last.host_id]) };
  });
}

function proofOf(hub: Hub, row: HostView, facts: string | undefined): HostProof {
  const entry = hub.hosts.get(row.host_id);
  const envelopeOf = (what: string, text: string | null | undefined) => (text === null || text === undefined ? null : storedEnvelope(what, text));
  return {
    host_id: hostId.parse(row.host_id),
    name: row.name,
    last_seen_at: entry === undefined || entry.seenWallMs === 0 ? row.last_seen_at : entry.seenWallMs,
    host_cert: envelopeOf("certificate", row.host_cert),
    grant: envelopeOf("grant", row.grant_envelope),
    admission: envelopeOf("admission", row.admission),
    facts: envelopeOf("facts", facts),
  };
}
