/**
 * Enrollment requests, and what the operator decides of them. Approval carries the certificate that the operator signed; the hub checks
 * that it is for exactly the keys that asked. Of any number of deciders one wins, the rest get `conflict`.
 */
import * as z from "zod/mini";
import { Fault } from "../../../../shared/core/fault.ts";
import { approveRequest, type EnrollmentItem, enrollmentItem, rejectRequest } from "../../../../shared/protocol/api/hosts.ts";
import { one, page } from "../../../../shared/protocol/api/page.ts";
import { hostId } from "../../../../shared/protocol/fields.ts";
import type { Database } from "../../../../shared/ports/databases.ts";
import { type HostIdentity, verifyHostCert } from "../../../../shared/trust/host-identity.ts";
import { spellKey } from "../../../../shared/trust/keys.ts";
import { refuse } from "../../../../shared/trust/verdict.ts";
import { admitHost } from "../../enroll/admit-host.ts";
import { sealCredential } from "../../enroll/sealed-credential.ts";
import type { Hub } from "../../hub.ts";
import { decideEnrollment, type EnrollmentRow, findEnrollment, listEnrollments } from "../../store/enrollments.ts";
import { appendEvent } from "../../store/events.ts";
import { findHost } from "../../store/hosts.ts";
import { orRefuse } from "../../trust/refused.ts";
import { defineRoute, type Route } from "../route.ts";
import { fleetRoot } from "./fleet-root.ts";
import { mutate } from "./mutation.ts";
import { isOpaqueId, pageQuery, readPage } from "./query.ts";
import { oneBody, pageBody } from "./reply.ts";

export function enrollmentRoutes(hub: Hub): readonly Route[] {
  return [listRoute(hub), approveRoute(hub), rejectRoute(hub)];
}

function listRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/enrollments",
      capability: "fleet.read",
      summary: "Enrollment requests in one state (default pending), oldest first",
      bodyBytesMax: 0,
      query: z.strictObject({ ...pageQuery, state: z.optional(enrollmentItem.shape.state) }),
      replies: { 200: { what: "Requests", schema: page("EnrollmentList", enrollmentItem) } },
      errors: ["bad_request"],
    },
    async ({ query }) => {
      const state = query.state ?? "pending";
      const { rows, next } = await hub.store.read((db) =>
        readPage(
          `enrollments ${state}`,
          query,
          ["number", "string"],
          (after, limit) => listEnrollments(db, state, { createdAt: Number(after?.[0] ?? -1), requestId: String(after?.[1] ?? "") }, limit),
          (row) => [row.created_at, row.request_id],
        ),
      );
      return { status: 200, body: pageBody("EnrollmentList", rows.map(itemOf), next) };
    },
  );
}

function approveRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/enrollments/{request_id}/approve",
      capability: "host.admit",
      summary: "Admit a box: its certificate, signed in the role admit for exactly the keys that asked",
      bodyBytesMax: 64 * 1024,
      body: approveRequest,
      replies: { 200: { what: "It is approved; the box learns so at its next poll", schema: one("Enrollment", enrollmentItem) } },
      errors: ["conflict", "not_found", "refused"],
    },
    async (call) => {
      const requestId = call.params["request_id"] ?? "";
      const { host_cert } = call.body;
      // Sealing loads a library, so it comes before the transaction; a credential that loses the race is never stored.
      const asked = await hub.store.read((db) => enrollmentOf(db, requestId));
      const credential = await sealCredential(hub.world, asked.box_key);
      return mutate(hub, call, { action: "host.approve", target: requestId }, (tx, nowMs) => {
        const enrollment = enrollmentOf(tx.db, requestId);
        if (enrollment.state !== "pending") throw decided(enrollment);
        const identity = orRefuse("certificate", verifyHostCert(host_cert, fleetRoot(hub)));
        checkSubject(identity, enrollment);
        if (enrollment.box_key !== asked.box_key)
          throw new Fault("conflict", "Cannot approve: the box asked again with other keys meanwhile", { remedy: "Look at the request again" });
        checkPlace(tx.db, identity);
        const { name, serial, hostId: id } = identity;
        if (!decideEnrollment(tx.db, requestId, { state: "approved", sealedCredential: credential.sealed, credentialSha256: credential.sha256 }, nowMs))
          throw decided(enrollment);
        admitHost(hub, tx, { identity, proof: { by: "certificate", hostCert: host_cert }, credentialSha256: credential.sha256 }, nowMs);
        appendEvent(tx.db, { at: nowMs, kind: "host.approved", host: { hostId: id, name }, data: { request_id: requestId, serial, by: "certificate" } });
        return { status: 200, body: oneBody("Enrollment", itemOf(enrollmentOf(tx.db, requestId))), target: id, audit: { request_id: requestId, name, serial } };
      });
    },
  );
}

function rejectRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/enrollments/{request_id}/reject",
      capability: "host.admit",
      summary: "Turn a request away; the box is told the reason",
      bodyBytesMax: 1_024,
      body: rejectRequest,
      replies: { 200: { what: "It is rejected", schema: one("Enrollment", enrollmentItem) } },
      errors: ["conflict", "not_found"],
    },
    async (call) => {
      const requestId = call.params["request_id"] ?? "";
      const { reason } = call.body;
      return mutate(hub, call, { action: "host.reject", target: requestId }, (tx, nowMs) => {
        const enrollment = enrollmentOf(tx.db, requestId);
        if (!decideEnrollment(tx.db, requestId, { state: "rejected", reason }, nowMs)) throw decided(enrollment);
        appendEvent(tx.db, {
          at: nowMs,
          kind: "host.rejected",
          host: { hostId: enrollment.host_id, name: enrollment.name },
          data: { request_id: requestId, reason: reason ?? null },
        });
        return {
          status: 200,
          body: oneBody("Enrollment", itemOf(enrollmentOf(tx.db, requestId))),
          target: enrollment.host_id,
          audit: { request_id: requestId, reason: reason ?? null },
        };
      });
    },
  );
}

function enrollmentOf(db: Database, requestId: string): EnrollmentRow {
  const row = isOpaqueId(requestId) ? findEnrollment(db, requestId) : undefined;
  if (row === undefined)
    throw new Fault("not_found", "Cannot find the enrollment request: there is none with this id", { remedy: "felhom host list --pending" });
  return row;
}

function checkSubject(identity: HostIdentity, asked: EnrollmentRow): void {
  if (identity.hostId !== asked.host_id) orRefuse("certificate", refuse("host_mismatch", `it names ${identity.hostId}, ${asked.host_id} asked`));
  if (spellKey(identity.signingKey) !== asked.signing_key || spellKey(identity.boxKey) !== asked.box_key)
    orRefuse("certificate", refuse("key_mismatch", "it is not for the keys that asked"));
}

/** A host that is here already takes a newer certificate only; one that was revoked never comes back under the same key. */
function checkPlace(db: Database, identity: HostIdentity): void {
  const host = findHost(db, identity.hostId);
  if (host === undefined) return;
  if (host.state === "revoked")
    throw new Fault("conflict", "Cannot approve: this key was revoked for good", { remedy: "Let the box make new keys and ask again" });
  if (identity.serial <= host.cert_serial) orRefuse("certificate", refuse("version_not_newer", `serial ${identity.serial} after ${host.cert_serial}`));
}

function decided(row: EnrollmentRow): Fault {
  return new Fault("conflict", `Cannot decide this request: it is ${row.state} already`, { facts: { state: row.state } });
}

function itemOf(row: EnrollmentRow): EnrollmentItem {
  const { request_id, state, statement, signature, address, created_at } = row;
  return { request_id, host_id: hostId.parse(row.host_id), state, statement, signature, address, created_at };
}
