/** What an operator changes of a host: its desired spec (unsigned, bounded), its certificate (signed), and whether it belongs at all. */
import { base64url } from "../../../../shared/core/bytes.ts";
import { Fault } from "../../../../shared/core/fault.ts";
import { approveRequest, hostItem as hostItemSchema, revokeRequest, type SpecEdit, specEdit } from "../../../../shared/protocol/api/hosts.ts";
import { one } from "../../../../shared/protocol/api/page.ts";
import { type HostSpec, hostSpec } from "../../../../shared/protocol/spec.ts";
import { verifyHostCert } from "../../../../shared/trust/host-identity.ts";
import { refuse } from "../../../../shared/trust/verdict.ts";
import type { Database } from "../../../../shared/ports/databases.ts";
import { actorOf } from "../../../core/access/capability.ts";
import type { Hub } from "../../hub.ts";
import { dropSpecDrafts } from "../../ops/draft-spec-apply.ts";
import { appendEvent } from "../../store/events.ts";
import { revokeEnrollments } from "../../store/enrollments.ts";
import { findHostView, type HostView } from "../../store/host-views.ts";
import { markRevoked, replaceCertificate, replaceSpec } from "../../store/hosts.ts";
import { orRefuse } from "../../trust/refused.ts";
import { defineRoute, type Route } from "../route.ts";
import { fleetRoot } from "./fleet-root.ts";
import { hostItem } from "./host-view.ts";
import { findView, noHost } from "./hosts.ts";
import { mutate } from "./mutation.ts";
import { isHostIdText } from "./query.ts";
import { oneBody } from "./reply.ts";

const PAUSE_MS_MAX = 30 * 86_400_000;
const ETAG = /^"(0|[1-9][0-9]{0,15})"$/;

export function hostEditRoutes(hub: Hub): readonly Route[] {
  return [showSpecRoute(hub), editSpecRoute(hub), certificateRoute(hub), revokeRoute(hub)];
}

function showSpecRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "GET",
      path: "/api/v1/hosts/{host_id}/spec",
      capability: "fleet.read",
      summary: "A host's desired spec; its ETag is the generation",
      bodyBytesMax: 0,
      replies: { 200: { what: "The spec", schema: one("Spec", hostSpec) } },
      errors: ["not_found"],
    },
    async ({ params }) => specReply(specOf(await findView(hub, params["host_id"]))),
  );
}

function editSpecRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "PUT",
      path: "/api/v1/hosts/{host_id}/spec",
      capability: "host.spec",
      summary: "Replace a host's desired spec, if it is still the generation in If-Match",
      bodyBytesMax: 16 * 1024,
      body: specEdit,
      replies: { 200: { what: "The spec in force, with its new generation", schema: one("Spec", hostSpec) } },
      errors: ["bad_request", "conflict", "not_found", "precondition_required"],
    },
    async (call) => {
      const hostId = call.params["host_id"] ?? "";
      const expected = parseIfMatch(call.request.headers.get("if-match"));
      return mutate(hub, call, { action: "host.spec-edit", target: hostId }, (tx, nowMs) => {
        const row = viewOf(tx.db, hostId);
        const current = specOf(row);
        const pausedMs = (call.body.paused_until ?? 0) - nowMs;
        if (pausedMs > PAUSE_MS_MAX) throw new Fault("bad_request", "Cannot pause the host for more than 30 days");
        if (current.generation !== expected || row.state === "revoked") throw movedOn(row, current, expected);
        // After a restore from an older backup the box may hold a later generation than this hub remembers.
        const generation = Math.max(current.generation, hub.hosts.get(hostId)?.haveSpec ?? 0) + 1;
        const spec = hostSpec.parse({ v: 1, host_id: current.host_id, generation, ...call.body });
        if (isSame(current, spec)) return specReply(current);
        replaceSpec(tx.db, hostId, expected, { generation, spec: JSON.stringify(spec) });
        appendEvent(tx.db, {
          at: nowMs,
          kind: "host.spec-edited",
          host: { hostId, name: row.name },
          data: { generation, mode: spec.mode, paused_until: spec.paused_until ?? null },
        });
        dropSpecDrafts(hub, tx, hostId, { before: generation, by: actorOf(call.principal) }, nowMs);
        tx.afterCommit(() => hub.hosts.specEdited(hostId, generation));
        return { ...specReply(spec), audit: { generation, ...summaryOf(call.body) } };
      });
    },
  );
}

function certificateRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "PUT",
      path: "/api/v1/hosts/{host_id}/certificate",
      capability: "host.admit",
      summary: "Rename or relabel: the next certificate of the same host and keys, signed in the role admit",
      bodyBytesMax: 64 * 1024,
      body: approveRequest,
      replies: { 200: { what: "The host with its new certificate", schema: one("Host", hostItemSchema) } },
      errors: ["conflict", "not_found", "refused"],
    },
    async (call) => {
      const hostId = call.params["host_id"] ?? "";
      const { host_cert } = call.body;
      return mutate(hub, call, { action: "host.relabel", target: hostId }, (tx, nowMs) => {
        const row = viewOf(tx.db, hostId);
        const identity = orRefuse("certificate", verifyHostCert(host_cert, fleetRoot(hub)));
        if (identity.hostId !== hostId) orRefuse("certificate", refuse("host_mismatch", `it names ${identity.hostId}`));
        if (base64url(identity.signingKey) !== row.signing_key || base64url(identity.boxKey) !== row.box_key)
          orRefuse("certificate", refuse("key_mismatch", "a new key comes by enrolling again"));
        if (row.state === "revoked") throw new Fault("conflict", "Cannot relabel this host: it was revoked");
        const { name, serial } = identity;
        const taken = replaceCertificate(tx.db, {
          host_id: hostId,
          name,
          labels: JSON.stringify(identity.labels),
          cert_serial: serial,
          host_cert: JSON.stringify(host_cert),
        });
        if (!taken) orRefuse("certificate", refuse("version_not_newer", `serial ${serial} after ${row.cert_serial}`));
        appendEvent(tx.db, { at: nowMs, kind: "host.relabelled", host: { hostId, name }, data: { serial, before: row.name } });
        tx.afterCommit(() => hub.hosts.certificateTaken(hostId, { serial, name }));
        return { status: 200, body: oneBody("Host", hostItem(hub, viewOf(tx.db, hostId))), audit: { serial, name, before: row.name } };
      });
    },
  );
}

function revokeRoute(hub: Hub): Route {
  return defineRoute(
    {
      method: "POST",
      path: "/api/v1/hosts/{host_id}/revoke",
      capability: "host.admit",
      summary: "Shut a host out at once, for good: its keys do not come back",
      bodyBytesMax: 1_024,
      body: revokeRequest,
      replies: { 200: { what: "The host is revoked", schema: one("Host", hostItemSchema) } },
      errors: ["not_found"],
    },
    async (call) => {
      const hostId = call.params["host_id"] ?? "";
      const { reason } = call.body;
      return mutate(hub, call, { action: "host.revoke", target: hostId }, (tx, nowMs) => {
        const { name } = viewOf(tx.db, hostId);
        const changed = markRevoked(tx.db, hostId, reason, nowMs);
        if (changed) {
          revokeEnrollments(tx.db, hostId, nowMs);
          appendEvent(tx.db, { at: nowMs, kind: "host.revoked", host: { hostId, name }, data: { reason: reason ?? null } });
          tx.afterCommit(() => hub.hosts.revoke(hostId));
        }
        return { status: 200, body: oneBody("Host", hostItem(hub, viewOf(tx.db, hostId))), ...(changed ? { audit: { name, reason: reason ?? null } } : {}) };
      });
    },
  );
}

/** Inside a transaction. */
function viewOf(db: Database, hostId: string): HostView {
  const row = isHostIdText(hostId) ? findHostView(db, hostId) : undefined;
  if (row === undefined) throw noHost(hostId);
  return row;
}

const specOf = (row: HostView): HostSpec => hostSpec.parse(JSON.parse(row.spec));
const specReply = (spec: HostSpec) => ({ status: 200, body: oneBody("Spec", spec), headers: { etag: `"${spec.generation}"` } });

function parseIfMatch(text: string | null): number {
  if (text === null)
    throw new Fault("precondition_required", "Cannot edit the spec: If-Match does not say which generation was read", {
      remedy: 'Read the spec and send its ETag as If-Match, e.g. If-Match: "4"',
    });
  const generation = ETAG.exec(text)?.[1];
  if (generation === undefined) throw new Fault("bad_request", 'Cannot edit the spec: If-Match is not one generation in quotes, as in "4"');
  return Number(generation);
}

function movedOn(row: HostView, current: HostSpec, expected: number): Fault {
  if (row.state === "revoked") return new Fault("conflict", "Cannot edit the spec: the host was revoked");
  return new Fault("conflict", `Cannot edit the spec: it is generation ${current.generation} now, not ${expected}`, {
    remedy: "Read it again, then edit that",
    facts: { generation: current.generation },
  });
}

/** Two specs that want the same, whatever their generation. */
function isSame(a: HostSpec, b: HostSpec): boolean {
  const wants = ({ mode, paused_until, interval_s, fetch_windows, apply_windows, nats, retire }: HostSpec): string =>
    JSON.stringify([mode, paused_until, interval_s, fetch_windows, apply_windows, nats, retire]);
  return wants(a) === wants(b);
}

function summaryOf(edit: SpecEdit): Readonly<Record<string, string | number | boolean | null>> {
  const { mode, paused_until, interval_s, fetch_windows, apply_windows, nats, retire } = edit;
  return {
    mode,
    paused_until: paused_until ?? null,
    interval_s: interval_s ?? null,
    fetch_windows: fetch_windows?.length ?? 0,
    apply_windows: apply_windows?.length ?? 0,
    nats: nats === undefined ? null : (nats.urls?.join(" ") ?? "hub"),
    ...(retire === undefined ? {} : { retire }),
  };
}
