/**
 * Desired state as it may be believed: read from the database and the snapshot, verified against the current root each time
 * (what was trusted when it was stored may not be now), the better copy taken and the other's fault named. An unreadable copy
 * is never an empty one: with both gone the box keeps running, says so, and asks the hub anew, with the root still pinned by
 * the membership's hash.
 */
import { Fault, flatten, isFault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import { type BundlePayload } from "../../../shared/trust/payloads.ts";
import { verifyHeldBundle } from "../../../shared/trust/bundle.ts";
import type { HostIdentity } from "../../../shared/trust/host-identity.ts";
import { type TrustedRoot, verifyRootChain } from "../../../shared/trust/root.ts";
import type { Verdict } from "../../../shared/trust/verdict.ts";
import type { RefusedDocument } from "../../core/worker/messages.ts";
import { type Identity, loadIdentity } from "../enroll/identity.ts";
import { type Membership, readMembership } from "../store/membership.ts";
import { readLedger } from "../ops/ledger-store.ts";
import { type Documents, NO_DOCUMENTS, openAgentDb, readFromDatabase, readFromSnapshot } from "./documents.ts";
import { verifyStoredIdentity } from "./stored-identity.ts";

export interface Desired {
  readonly source: "database" | "snapshot" | "none";
  readonly notes: readonly string[];
  readonly documents: Documents;
  readonly keys: Identity;
  readonly membership: Membership;
  readonly root: TrustedRoot | undefined;
  readonly identity: HostIdentity | undefined;
  readonly bundle: BundlePayload | undefined;
  readonly candidate: BundlePayload | undefined;
  /** What is stored and no longer verifies against the current root. */
  readonly refused: readonly RefusedDocument[];
}

type Trusted = Pick<Desired, "documents" | "root" | "identity" | "bundle" | "candidate" | "refused">;

/** Throws `not_found` when this box is not enrolled, `file_unsafe` for keys others can read. Damaged copies are no fault here. */
export function loadDesired(world: World, dataDir: string): Desired {
  const membership = readMembership(world, dataDir);
  if (membership === undefined) throw new Fault("not_found", "Cannot read the desired state: this box is not enrolled", { remedy: "felhom enroll" });
  const keys = loadIdentity(world, dataDir);
  const notes: string[] = [];
  const fromDatabase = attempt(notes, "agent.db", () => readDatabase(world, dataDir));
  const fromSnapshot = attempt(notes, "snapshot.msgpack", () => readFromSnapshot(world, dataDir));
  const database = fromDatabase === undefined ? undefined : trust(fromDatabase, membership, keys, notes, "agent.db");
  const snapshot = fromSnapshot === undefined ? undefined : trust(fromSnapshot, membership, keys, notes, "snapshot.msgpack");
  const best = pick(database, snapshot);
  if (best === undefined)
    return {
      source: "none",
      notes,
      documents: NO_DOCUMENTS,
      keys,
      membership,
      root: undefined,
      identity: undefined,
      bundle: undefined,
      candidate: undefined,
      refused: [],
    };
  return { ...best.trusted, source: best.source, notes, keys, membership, documents: withFloor(best.trusted.documents, database, snapshot) };
}

function readDatabase(world: World, dataDir: string): Documents | undefined {
  const database = openAgentDb(world, dataDir);
  try {
    const stored = readFromDatabase(database);
    const ledger = readLedger(database);
    // One time floor for all that is signed: an op that was accepted dates bundles too.
    return stored === undefined || ledger === "damaged"
      ? stored
      : { ...stored, floor: { ...stored.floor, timeMs: Math.max(stored.floor.timeMs, ledger.floorMs) } };
  } finally {
    database.close();
  }
}

/** A damaged copy becomes a note; a disk that fails is a fault of its own and stops the worker. */
function attempt(notes: string[], name: string, read: () => Documents | undefined): Documents | undefined {
  try {
    return read();
  } catch (error) {
    if (!isFault(error) || !(error.code.startsWith("db_") || error.code.startsWith("file_"))) throw error;
    notes.push(`${name} is damaged: ${flatten(error)}`.slice(0, 1_024));
    return undefined;
  }
}

/** The root chain has to hold; the rest is taken or set aside document by document. */
function trust(stored: Documents, membership: Membership, keys: Identity, notes: string[], name: string): Trusted | undefined {
  const root = verifyRootChain(stored.roots, membership.root_hash);
  if (!root.ok) {
    notes.push(`${name} does not verify: root ${root.refusal} ${root.detail}`.slice(0, 1_024));
    return undefined;
  }
  return believe(stored, root.value, keys);
}

/** Everything under `root`, for a load and for documents that just arrived. */
export function believe(stored: Documents, root: TrustedRoot, keys: Identity): Trusted {
  const refused: RefusedDocument[] = [];
  const checked = <T>(what: RefusedDocument["what"], verdict: Verdict<T> | undefined): T | undefined => {
    if (verdict === undefined || verdict.ok) return verdict?.value;
    refused.push({ what, version: 0, code: verdict.refusal, detail: verdict.detail.slice(0, 1_024) });
    return undefined;
  };
  const identity = checked("identity", stored.identity === undefined ? undefined : verifyStoredIdentity(stored.identity, root, keys));
  const bundle = checked("bundle", stored.bundle === undefined ? undefined : verifyHeldBundle({ envelope: stored.bundle, root }));
  const candidate = checked("bundle", stored.candidate === undefined ? undefined : verifyHeldBundle({ envelope: stored.candidate, root }));
  return { documents: stored, root, identity, bundle, candidate, refused };
}

/** The database, unless the snapshot knows of something newer: then the database is an old copy. */
function pick(
  database: Trusted | undefined,
  snapshot: Trusted | undefined,
): { readonly source: "database" | "snapshot"; readonly trusted: Trusted } | undefined {
  if (database === undefined) return snapshot === undefined ? undefined : { source: "snapshot", trusted: snapshot };
  if (snapshot !== undefined && isNewer(snapshot, database)) return { source: "snapshot", trusted: snapshot };
  return { source: "database", trusted: database };
}

function isNewer(a: Trusted, b: Trusted): boolean {
  const age = ({ root, documents, identity }: Trusted): readonly number[] => [
    root?.payload.version ?? 0,
    documents.floor.bundle,
    identity?.serial ?? 0,
    documents.spec?.generation ?? 0,
  ];
  const [ours, theirs] = [age(a), age(b)];
  const at = ours.findIndex((value, index) => value !== theirs[index]);
  return at >= 0 && (ours[at] ?? 0) > (theirs[at] ?? 0);
}

/** The floor never falls, whichever copy remembers the higher one. */
function withFloor(documents: Documents, ...copies: readonly (Trusted | undefined)[]): Documents {
  const floors = copies.flatMap((copy) => (copy === undefined ? [] : [copy.documents.floor]));
  return { ...documents, floor: { bundle: Math.max(...floors.map(({ bundle }) => bundle)), timeMs: Math.max(...floors.map(({ timeMs }) => timeMs)) } };
}
