/**
 * Every host in memory, found by the hash of its credential: a sync with nothing new touches no database. What the database also
 * holds is written there first and then here. Only here: metrics (volatile by design), held requests, and contact of the last
 * minute (flushed in batches by `last-seen.ts`; a crash makes a host look up to a minute more silent than it was, never less).
 */
import type { Contact } from "../../core/liveness/contact.ts";
import type { Newest } from "../../core/sync/newer.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import type { Offer } from "../ops/offers.ts";
import { type Linked, Recency } from "../../core/liveness/recency.ts";

export interface HostEntry extends Linked<HostEntry> {
  readonly hostId: string;
  name: string;
  revoked: boolean;
  certSerial: number;
  specGeneration: number;
  ackedSeq: number;
  bootId: string;
  bootIdBefore: string;
  /** Wall time of the last `host.cloned` event, so that one clone is not a flood of them. */
  clonedAtMs: number;
  /** Wall time at which a generation of this box was last taken over. */
  adoptedAtMs: number;
  run: number;
  /** Given to one whose request may be a late one, until somebody says it again; empty: none. */
  doubtEcho: string;
  /** The highest generation of its record of ops ever told, and the one it told last; -1 when it tells none. */
  ledgerHigh: number;
  ledgerSaid: number;
  /** What it may be given or asked back; most hosts have nothing. */
  ops: readonly Offer[] | undefined;
  agentVersion: string;
  address: string;
  haveRoot: number;
  haveCert: number;
  haveBundle: number;
  haveSpec: number;
  /** 0: never. */
  seenWallMs: number;
  seenMonoMs: number;
  /** Since when it has been heard without a gap that would make it stale, whoever's the gap was; 0: in all that is known. */
  reachableSinceMs: number;
  contact: Contact;
  contactSinceMs: number;
  /** Names and values of the newest metrics row, as it came; empty after a hub restart. */
  metrics: Readonly<Record<string, number>>;
  /** Changed since the last flush. */
  dirty: boolean;
  /** Theoretical arrival time of the next sync (GCRA, hub/core/limits). */
  nextSyncMonoMs: number;
  offerAskedMonoMs: number;
  /** This process has answered it: the first answer after a start is given at once, so that a box knows that its hub is back. */
  met: boolean;
  /** The text of its last sync, if that brought nothing and changed nothing; empty otherwise. And how long it asked to wait. */
  quietBody: string;
  quietWaitMs: number;
  /** Whom its answers are held to, once one came. Its key is its id's own, so this never goes stale. */
  answersAs: HostIdentity | undefined;
  /** For the next reply: how to attach to NATS, as JSON. */
  natsGift: string | undefined;
  /** What it was last given that it did not have, and how often in a row. */
  told: Told | undefined;
  /** Answers the request that is held for it, if any; its place in the courier's wheel, and its form. Flat, because there are many. */
  heldAnswer: Answer | undefined;
  heldRequest: Request | undefined;
  heldSlot: number;
  heldMsgpack: boolean;
  /** Hashes of its credentials: the one in use, and one that is being delivered. */
  credentials: readonly string[];
}

export interface Told {
  readonly newest: Newest;
  readonly times: number;
  readonly monoMs: number;
}

export type Answer = (response: Response) => void;

export interface Credential {
  readonly entry: HostEntry;
  confirmed: boolean;
}

export type HostStart = Pick<
  HostEntry,
  | "hostId"
  | "name"
  | "revoked"
  | "certSerial"
  | "specGeneration"
  | "ackedSeq"
  | "bootId"
  | "bootIdBefore"
  | "run"
  | "ledgerHigh"
  | "agentVersion"
  | "address"
  | "haveRoot"
  | "haveCert"
  | "haveBundle"
  | "haveSpec"
  | "seenWallMs"
  | "seenMonoMs"
  | "contact"
  | "contactSinceMs"
>;

export class HostTable {
  readonly #byId = new Map<string, HostEntry>();
  readonly #byCredential = new Map<string, Credential>();
  readonly #newer: (entry: HostEntry) => void;
  readonly #revoked: (entry: HostEntry) => void;
  readonly #counts: Record<Contact | "revoked", number> = { never: 0, up: 0, stale: 0, down: 0, revoked: 0 };
  /** Hosts in contact, the most silent first. */
  readonly up = new Recency<HostEntry>();
  readonly stale = new Recency<HostEntry>();

  constructor(on: { newer(entry: HostEntry): void; revoked(entry: HostEntry): void }) {
    this.#newer = (entry) => on.newer(entry);
    this.#revoked = (entry) => on.revoked(entry);
  }

  get(hostId: string): HostEntry | undefined {
    return this.#byId.get(hostId);
  }

  all(): IterableIterator<HostEntry> {
    return this.#byId.values();
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Hosts by contact; revoked ones apart. */
  counts(): Readonly<Record<Contact | "revoked", number>> {
    return this.#counts;
  }

  /** By hex SHA-256 of the credential: what an attacker can time is the look-up of a hash that he cannot steer. */
  byCredential(sha256: string): Credential | undefined {
    return this.#byCredential.get(sha256);
  }

  /** Adds a host, or renews what the operator's documents say of one that is there. */
  put(start: HostStart): HostEntry {
    const known = this.#byId.get(start.hostId);
    if (known !== undefined) {
      known.name = start.name;
      known.certSerial = start.certSerial;
      this.#newer(known);
      return known;
    }
    const entry: HostEntry = {
      ...start,
      reachableSinceMs: 0,
      clonedAtMs: 0,
      doubtEcho: "",
      adoptedAtMs: 0,
      metrics: {},
      ledgerSaid: -1,
      ops: undefined,
      answersAs: undefined,
      natsGift: undefined,
      dirty: false,
      nextSyncMonoMs: 0,
      offerAskedMonoMs: Number.NEGATIVE_INFINITY,
      met: false,
      quietBody: "",
      quietWaitMs: 0,
      told: undefined,
      heldAnswer: undefined,
      heldRequest: undefined,
      heldSlot: 0,
      heldMsgpack: false,
      credentials: [],
      heardBefore: undefined,
      heardAfter: undefined,
      inList: undefined,
    };
    this.#byId.set(entry.hostId, entry);
    this.#counts[entry.revoked ? "revoked" : entry.contact] += 1;
    if (!entry.revoked && entry.contact === "up") this.up.push(entry);
    if (!entry.revoked && entry.contact === "stale") this.stale.push(entry);
    return entry;
  }

  /** As in the database: an older one that was never used makes room. */
  putCredential(sha256: string, entry: HostEntry, confirmed: boolean): void {
    const kept = entry.credentials.filter((other) => confirmed || this.#byCredential.get(other)?.confirmed === true);
    for (const other of entry.credentials) if (!kept.includes(other)) this.#byCredential.delete(other);
    this.#byCredential.set(sha256, { entry, confirmed });
    entry.credentials = [...kept, sha256];
  }

  /** It was used: the others of this host are refused from now on. */
  confirmCredential(sha256: string, credential: Credential): void {
    credential.confirmed = true;
    for (const other of credential.entry.credentials) if (other !== sha256) this.#byCredential.delete(other);
    credential.entry.credentials = [sha256];
  }

  setContact(entry: HostEntry, contact: Contact, wallMs: number): void {
    if (entry.contact !== contact) {
      if (!entry.revoked) {
        this.#counts[entry.contact] -= 1;
        this.#counts[contact] += 1;
      }
      entry.contact = contact;
      entry.contactSinceMs = wallMs;
    }
    if (entry.revoked) return;
    if (contact === "up") this.up.push(entry);
    else if (contact === "stale") this.stale.push(entry);
    else entry.inList?.remove(entry);
  }

  /** After the commit. A held sync wakes. */
  specEdited(hostId: string, generation: number): void {
    const entry = this.#byId.get(hostId);
    if (entry === undefined || generation <= entry.specGeneration) return;
    entry.specGeneration = generation;
    this.#newer(entry);
  }

  /** After the commit. */
  certificateTaken(hostId: string, certificate: { readonly serial: number; readonly name: string }): void {
    const entry = this.#byId.get(hostId);
    if (entry === undefined || certificate.serial <= entry.certSerial) return;
    entry.certSerial = certificate.serial;
    entry.name = certificate.name;
    this.#newer(entry);
  }

  /** After the commit. Refused everywhere from this instant; the credential stays known, so that the box is told why. */
  revoke(hostId: string): void {
    const entry = this.#byId.get(hostId);
    if (entry === undefined || entry.revoked) return;
    entry.inList?.remove(entry);
    this.#counts[entry.contact] -= 1;
    this.#counts.revoked += 1;
    entry.revoked = true;
    this.#revoked(entry);
  }
}
