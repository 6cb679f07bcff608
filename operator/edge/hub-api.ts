import * as z from "zod/mini";
import type { Envelope } from "../../shared/protocol/fields.ts";
import { envelope, text } from "../../shared/protocol/fields.ts";
import {
  auditItem,
  auditVerification,
  blobsMissingReply,
  bundleDetail,
  bundleItem,
  eventItem,
  grantItem,
  hubStatus,
  type AuditItem,
  type AuditVerification,
  type BundleDetail,
  type BundleItem,
  type EventItem,
  type GrantItem,
  type HubStatus,
} from "../../shared/protocol/api/fleet.ts";
import { enrollmentItem, hostDetail, hostItem, type EnrollmentItem, type HostDetail, type HostItem, type SpecEdit } from "../../shared/protocol/api/hosts.ts";
import { loginChallenge, loginReply, type LoginChallenge, type LoginReply } from "../../shared/protocol/api/login.ts";
import { hostSpec, type HostSpec } from "../../shared/protocol/spec.ts";
import type { HubConnection } from "./hub-connection.ts";

/**
 * Every operator route of a hub as a function. Lists are iterators that fetch the next page only when it is wanted. Nothing here
 * judges what the hub says: `operator/core/fleet` does.
 */
const PAGE_LIMIT = 500;
/** A hub that keeps giving a next page is not followed for ever. */
const PAGES_MAX = 2_000;

export type Query = Readonly<Record<string, string | number | boolean | undefined>>;
export const path = (strings: TemplateStringsArray, ...values: readonly (string | number)[]): string =>
  String.raw({ raw: strings }, ...values.map((value) => encodeURIComponent(String(value))));

export async function* pages<T extends z.ZodMiniType>(
  hub: HubConnection,
  asked: { readonly op: string; readonly path: string; readonly item: T; readonly query?: Query },
): AsyncGenerator<z.infer<T>> {
  const reply = z.object({ items: z.array(asked.item), next: z.optional(z.nullable(text(256))) });
  let cursor: string | undefined;
  for (let fetched = 0; fetched < PAGES_MAX; fetched += 1) {
    const page = await hub.ask({ op: asked.op, method: "GET", path: asked.path, query: { limit: PAGE_LIMIT, ...asked.query, cursor }, reply });
    yield* page.items;
    if (page.next === undefined || page.next === null) return;
    cursor = page.next;
  }
}

/** At most `max` items of a list. */
export async function take<T>(items: AsyncIterable<T>, max = Number.POSITIVE_INFINITY): Promise<readonly T[]> {
  const taken: T[] = [];
  if (max <= 0) return taken;
  for await (const item of items) {
    taken.push(item);
    if (taken.length >= max) break;
  }
  return taken;
}

/** Rows older than asked for, in a row, after which a list ends: the hub's clock may have been set back, so the first one does not end it. */
const OLDER_ROWS_MAX = PAGE_LIMIT;

/** The same of a list that comes newest first: only what is not older than `sinceMs`, without reading to its end. */
export async function takeSince<T extends { readonly at: number }>(items: AsyncIterable<T>, sinceMs: number | undefined, max: number): Promise<readonly T[]> {
  if (sinceMs === undefined) return take(items, max);
  return take(notOlder(items, sinceMs), max);
}

async function* notOlder<T extends { readonly at: number }>(items: AsyncIterable<T>, sinceMs: number): AsyncGenerator<T> {
  let older = 0;
  for await (const item of items) {
    older = item.at < sinceMs ? older + 1 : 0;
    if (older === 0) yield item;
    if (older >= OLDER_ROWS_MAX) return;
  }
}

const anything = z.unknown();

// login and setup
export const createChallenge = (hub: HubConnection): Promise<LoginChallenge> =>
  hub.ask({ op: "hub.login.challenge", method: "POST", path: "/api/v1/login/challenges", reply: loginChallenge });
export const createSession = (
  hub: HubConnection,
  body: { readonly challenge_id: string; readonly key_id: string; readonly signature: string },
): Promise<LoginReply> => hub.ask({ op: "hub.login.session", method: "POST", path: "/api/v1/login/sessions", body, reply: loginReply });
export const setUp = (hub: HubConnection, body: { readonly setup_token: string; readonly root: Envelope }): Promise<unknown> =>
  hub.ask({ op: "hub.setup", method: "POST", path: "/api/v1/setup", body, reply: anything });

// trust
export const getRoots = async (hub: HubConnection): Promise<readonly Envelope[]> =>
  (await hub.ask({ op: "hub.roots", method: "GET", path: "/api/v1/roots", reply: z.object({ items: z.array(envelope) }) })).items;
export const uploadRoot = (hub: HubConnection, root: Envelope): Promise<unknown> =>
  hub.ask({ op: "hub.roots.upload", method: "POST", path: "/api/v1/roots", body: { envelope: root }, reply: anything });
export const listGrants = (hub: HubConnection): AsyncGenerator<GrantItem> => pages(hub, { op: "hub.grants", path: "/api/v1/grants", item: grantItem });
export const uploadGrant = (hub: HubConnection, grant: Envelope): Promise<unknown> =>
  hub.ask({ op: "hub.grants.upload", method: "POST", path: "/api/v1/grants", body: { envelope: grant }, reply: anything });
export const revokeGrant = (hub: HubConnection, grantId: string): Promise<unknown> =>
  hub.ask({ op: "hub.grants.revoke", method: "POST", path: path`/api/v1/grants/${grantId}/revoke`, reply: anything });

// hosts
export const listHosts = (hub: HubConnection, query: Query = {}): AsyncGenerator<HostItem> =>
  pages(hub, { op: "hub.hosts", path: "/api/v1/hosts", item: hostItem, query });
export const getHost = (hub: HubConnection, hostId: string): Promise<HostDetail> =>
  hub.ask({ op: "hub.hosts.show", method: "GET", path: path`/api/v1/hosts/${hostId}`, reply: hostDetail });
export const editSpec = (hub: HubConnection, hostId: string, generation: number, edit: SpecEdit): Promise<HostSpec> =>
  hub.ask({
    op: "hub.hosts.spec",
    method: "PUT",
    path: path`/api/v1/hosts/${hostId}/spec`,
    headers: { "if-match": `"${generation}"` },
    body: edit,
    reply: hostSpec,
  });
export const uploadCertificate = (hub: HubConnection, hostId: string, certificate: Envelope): Promise<unknown> =>
  hub.ask({ op: "hub.hosts.certificate", method: "PUT", path: path`/api/v1/hosts/${hostId}/certificate`, body: { host_cert: certificate }, reply: anything });
export const revokeHost = (hub: HubConnection, hostId: string, reason?: string): Promise<unknown> =>
  hub.ask({
    op: "hub.hosts.revoke",
    method: "POST",
    path: path`/api/v1/hosts/${hostId}/revoke`,
    body: reason === undefined ? {} : { reason },
    reply: anything,
  });

// enrollment
export const listEnrollments = (hub: HubConnection, state: EnrollmentItem["state"] = "pending"): AsyncGenerator<EnrollmentItem> =>
  pages(hub, { op: "hub.enrollments", path: "/api/v1/enrollments", item: enrollmentItem, query: { state } });
export const approveEnrollment = (hub: HubConnection, requestId: string, certificate: Envelope): Promise<unknown> =>
  hub.ask({
    op: "hub.enrollments.approve",
    method: "POST",
    path: path`/api/v1/enrollments/${requestId}/approve`,
    body: { host_cert: certificate },
    reply: anything,
  });
export const rejectEnrollment = (hub: HubConnection, requestId: string, reason?: string): Promise<unknown> =>
  hub.ask({
    op: "hub.enrollments.reject",
    method: "POST",
    path: path`/api/v1/enrollments/${requestId}/reject`,
    body: reason === undefined ? {} : { reason },
    reply: anything,
  });

// bundles
export const listBundles = (hub: HubConnection): AsyncGenerator<BundleItem> => pages(hub, { op: "hub.bundles", path: "/api/v1/bundles", item: bundleItem });
export const getBundle = (hub: HubConnection, version: number): Promise<BundleDetail> =>
  hub.ask({ op: "hub.bundles.show", method: "GET", path: path`/api/v1/bundles/${version}`, reply: bundleDetail });
export const uploadBundle = (hub: HubConnection, bundle: Envelope): Promise<unknown> =>
  hub.ask({ op: "hub.bundles.upload", method: "POST", path: "/api/v1/bundles", body: { envelope: bundle }, reply: anything });
export const missingBlobs = async (hub: HubConnection, sha256: readonly string[]): Promise<readonly string[]> =>
  (await hub.ask({ op: "hub.blobs.missing", method: "POST", path: "/api/v1/blobs/missing", body: { sha256 }, reply: blobsMissingReply })).missing;
export const uploadBlob = (hub: HubConnection, sha256: string, bytes: Uint8Array): Promise<unknown> =>
  hub.ask({ op: "hub.blobs.upload", method: "PUT", path: path`/api/v1/blobs/${sha256}`, bytes, reply: anything });

// what happened
export const listTimeline = (hub: HubConnection, hostId: string): AsyncGenerator<EventItem> =>
  pages(hub, { op: "hub.hosts.timeline", path: path`/api/v1/hosts/${hostId}/timeline`, item: eventItem });
export const listEvents = (hub: HubConnection, query: Query = {}): AsyncGenerator<EventItem> =>
  pages(hub, { op: "hub.events", path: "/api/v1/events", item: eventItem, query });
export const listAudit = (hub: HubConnection, query: Query = {}): AsyncGenerator<AuditItem> =>
  pages(hub, { op: "hub.audit", path: "/api/v1/audit", item: auditItem, query });
export const verifyAudit = (hub: HubConnection): Promise<AuditVerification> =>
  hub.ask({ op: "hub.audit.verify", method: "GET", path: "/api/v1/audit/verification", reply: auditVerification });
export const getStatus = (hub: HubConnection): Promise<HubStatus> => hub.ask({ op: "hub.status", method: "GET", path: "/api/v1/status", reply: hubStatus });

/** A blob's bytes, as the hub gives them: the caller compares the hash with a verified manifest. */
export const getBlob = async (hub: HubConnection, sha256: string, bytesMax: number): Promise<Uint8Array> =>
  (
    await hub.reply({
      op: "hub.blobs.get",
      method: "GET",
      path: path`/api/v1/blobs/${sha256}`,
      headers: { accept: "application/octet-stream" },
      replyBytesMax: bytesMax,
    })
  ).body;
export const endSession = (hub: HubConnection): Promise<unknown> => hub.reply({ op: "hub.logout", method: "DELETE", path: "/api/v1/login/sessions/current" });
