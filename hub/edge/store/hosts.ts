/**
 * Hosts: who they are (operator-signed documents and the keys those name), what is wanted of them (the spec, unsigned and bounded),
 * and when they were last heard. Identity columns are copied from the envelope in the same row, which was verified before.
 */
import type { Contact } from "../../core/liveness/contact.ts";
import type { Database } from "../../../shared/ports/databases.ts";

export interface HostRow {
  readonly host_id: string;
  readonly name: string;
  /** JSON object. */
  readonly labels: string;
  readonly state: "active" | "revoked";
  readonly signing_key: string;
  readonly box_key: string;
  readonly cert_serial: number;
  /** Envelope JSON; null when a grant admitted the host and no certificate was signed since. */
  readonly host_cert: string | null;
  readonly grant_envelope: string | null;
  readonly admission: string | null;
  readonly created_at: number;
  readonly revoked_at: number | null;
  readonly revoke_reason: string | null;
  readonly spec_generation: number;
  /** `hostSpec` as JSON. */
  readonly spec: string;
  readonly boot_id: string | null;
  readonly boot_id_before: string | null;
  readonly run: number;
  readonly agent_version: string | null;
  readonly address: string | null;
  readonly have_root: number;
  readonly have_cert: number;
  readonly have_bundle: number;
  readonly have_spec: number;
  /** Up to a minute old: `HostTable` has the living value. */
  readonly last_seen_at: number | null;
  readonly contact: Contact;
  readonly contact_since: number;
  /** The highest generation of its record of ops that this host ever told. */
  readonly ledger_generation: number;
}

export type NewHost = Pick<
  HostRow,
  | "host_id"
  | "name"
  | "labels"
  | "signing_key"
  | "box_key"
  | "cert_serial"
  | "host_cert"
  | "grant_envelope"
  | "admission"
  | "created_at"
  | "spec_generation"
  | "spec"
>;

/** Inside a transaction. A host that is there gets the new documents and keeps its spec, contact and outbox position. */
export function putHost(db: Database, host: NewHost): void {
  db.run(
    "hosts.put",
    `INSERT INTO hosts (host_id, name, labels, state, signing_key, box_key, cert_serial, host_cert, grant_envelope, admission, created_at, spec_generation, spec, contact_since)
     VALUES (?1, ?2, ?3, 'active', ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?10)
     ON CONFLICT (host_id) DO UPDATE SET name = ?2, labels = ?3, box_key = ?5, cert_serial = ?6, host_cert = ?7, grant_envelope = ?8, admission = ?9`,
    host.host_id,
    host.name,
    host.labels,
    host.signing_key,
    host.box_key,
    host.cert_serial,
    host.host_cert,
    host.grant_envelope,
    host.admission,
    host.created_at,
    host.spec_generation,
    host.spec,
  );
}

export function findHost(db: Database, hostId: string): HostRow | undefined {
  return db.get<HostRow>("hosts.find", "SELECT * FROM hosts WHERE host_id = ?", hostId);
}

/** What is asked of a host with each thing that it sends: not its documents. */
export type Sender = Pick<HostRow, "host_id" | "name" | "state" | "signing_key" | "box_key" | "cert_serial" | "created_at"> & Acked;

export interface Acked {
  readonly acked_seq: number;
}

export function findSender(db: Database, hostId: string): Sender | undefined {
  return db.get<Sender>(
    "hosts.sender",
    // A join costs five times as much.
    `SELECT host_id, name, state, signing_key, box_key, cert_serial, created_at,
       coalesce((SELECT acked_seq FROM host_acks AS a WHERE a.host_id = h.host_id), 0) AS acked_seq
     FROM hosts AS h WHERE host_id = ?`,
    hostId,
  );
}

/** In order of id, for loading the table at start. */
export function hostsAfter(db: Database, hostId: string, limit: number): readonly (HostRow & Acked)[] {
  return db.all<HostRow & Acked>(
    "hosts.load",
    `SELECT h.*, coalesce(a.acked_seq, 0) AS acked_seq FROM hosts AS h LEFT JOIN host_acks AS a ON a.host_id = h.host_id
     WHERE h.host_id > ? ORDER BY h.host_id LIMIT ?`,
    hostId,
    limit,
  );
}

/** Inside a transaction. A newer certificate: false unless the serial grew and the host is active. */
export function replaceCertificate(db: Database, host: Pick<HostRow, "host_id" | "name" | "labels" | "cert_serial"> & { readonly host_cert: string }): boolean {
  return (
    db.run(
      "hosts.certify",
      "UPDATE hosts SET name = ?, labels = ?, cert_serial = ?, host_cert = ? WHERE host_id = ? AND cert_serial < ? AND state = 'active'",
      host.name,
      host.labels,
      host.cert_serial,
      host.host_cert,
      host.host_id,
      host.cert_serial,
    ).changes > 0
  );
}

/** Inside a transaction: compare and set on the generation. False when it has moved on. */
export function replaceSpec(db: Database, hostId: string, expectedGeneration: number, next: { readonly generation: number; readonly spec: string }): boolean {
  return (
    db.run(
      "hosts.spec",
      "UPDATE hosts SET spec_generation = ?, spec = ? WHERE host_id = ? AND spec_generation = ? AND state = 'active'",
      next.generation,
      next.spec,
      hostId,
      expectedGeneration,
    ).changes > 0
  );
}

/** Inside a transaction. False when there is no such active host. */
export function markRevoked(db: Database, hostId: string, reason: string | undefined, nowMs: number): boolean {
  return (
    db.run(
      "hosts.revoke",
      "UPDATE hosts SET state = 'revoked', revoked_at = ?, revoke_reason = ? WHERE host_id = ? AND state = 'active'",
      nowMs,
      reason ?? null,
      hostId,
    ).changes > 0
  );
}

/** Inside a transaction. It only grows. */
export function storeLedgerGeneration(db: Database, hostId: string, generation: number): void {
  db.run("hosts.ledger", "UPDATE hosts SET ledger_generation = ?1 WHERE host_id = ?2 AND ledger_generation < ?1", generation, hostId);
}

export function storeContact(db: Database, hostId: string, contact: Contact, sinceMs: number): void {
  db.run("hosts.contact", "UPDATE hosts SET contact = ?, contact_since = ? WHERE host_id = ?", contact, sinceMs, hostId);
}

export type Seen = Pick<
  HostRow,
  | "host_id"
  | "boot_id"
  | "boot_id_before"
  | "run"
  | "agent_version"
  | "address"
  | "have_root"
  | "have_cert"
  | "have_bundle"
  | "have_spec"
  | "last_seen_at"
  | "contact"
  | "contact_since"
>;

/** Inside a transaction. */
export function storeSeen(db: Database, seen: Seen): void {
  db.run(
    "hosts.seen",
    "UPDATE hosts SET boot_id = ?, boot_id_before = ?, run = ?, agent_version = ?, address = ?, have_root = ?, have_cert = ?, have_bundle = ?, have_spec = ?, last_seen_at = ?, contact = ?, contact_since = ? WHERE host_id = ?",
    seen.boot_id,
    seen.boot_id_before,
    seen.run,
    seen.agent_version,
    seen.address,
    seen.have_root,
    seen.have_cert,
    seen.have_bundle,
    seen.have_spec,
    seen.last_seen_at,
    seen.contact,
    seen.contact_since,
    seen.host_id,
  );
}
