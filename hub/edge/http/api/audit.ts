/** The audit log, newest first, and a walk of its hash chain. */
import * as z from "zod/mini";
import { auditItem, auditVerification } from "../../../../shared/protocol/api/fleet.ts";
import { one, page } from "../../../../shared/protocol/api/page.ts";
import type { Hub } from "../../hub.ts";
import { type AuditFinding, listAudit, verifyAudit } from "../../store/audit.ts";
import { defineRoute, type Route } from "../route.ts";
import { pageQuery, readPage } from "./query.ts";
import { oneBody, pageBody } from "./reply.ts";

export function auditRoutes(hub: Hub): readonly Route[] {
  return [
    defineRoute(
      {
        method: "GET",
        path: "/api/v1/audit",
        capability: "audit.read",
        summary: "Who did what, newest first",
        bodyBytesMax: 0,
        query: z.strictObject(pageQuery),
        replies: { 200: { what: "Audit rows", schema: page("AuditList", auditItem) } },
      },
      async ({ query }) => {
        const { rows, next } = await hub.store.read((db) =>
          readPage(
            "audit",
            query,
            ["number"],
            (after, limit) => listAudit(db, { beforeSeq: Number(after?.[0] ?? Number.MAX_SAFE_INTEGER), limit }),
            (row) => [row.seq],
          ),
        );
        return { status: 200, body: pageBody("AuditList", rows, next) };
      },
    ),
    defineRoute(
      {
        method: "GET",
        path: "/api/v1/audit/verification",
        capability: "audit.read",
        summary: "Walk the audit log's hash chain",
        bodyBytesMax: 0,
        replies: { 200: { what: "Whether it is whole, and its head", schema: one("AuditVerification", auditVerification) } },
      },
      async () => {
        const never = new AbortController().signal;
        const verdict = await verifyAudit(
          (body) => hub.store.read(body),
          () => hub.world.clock.sleep(0, never),
        );
        return { status: 200, body: oneBody("AuditVerification", verificationOf(verdict)) };
      },
    ),
  ];
}

export function verificationOf(verdict: AuditFinding) {
  const found = verdict.ok ? { head: verdict.head, broken_seq: null, because: null } : { head: null, broken_seq: verdict.brokenSeq, because: verdict.because };
  return { whole: verdict.ok, rows: verdict.rows, anchor: verdict.anchor, ...found };
}
