/**
 * Takes what a hub sent, document by document, and keeps what verifies: roots first (they decide about everything after), then
 * the certificate, the bundle's manifest, and the spec. What is refused is named with its code and changes nothing. A bundle is
 * a candidate until its files are here (stage.ts); the one in force stays in force.
 */
import { assert } from "../../../shared/core/assert.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Envelope } from "../../../shared/protocol/fields.ts";
import type { HostSpec } from "../../../shared/protocol/spec.ts";
import { verifyBundle } from "../../../shared/trust/bundle.ts";
import { openEnvelope } from "../../../shared/trust/envelope.ts";
import { type HostIdentity, verifySuccessor } from "../../../shared/trust/host-identity.ts";
import { hostCertPayload } from "../../../shared/trust/payloads.ts";
import { extendRootChain, type TrustedRoot, verifyRootChain } from "../../../shared/trust/root.ts";
import { parseStrict } from "../../../shared/trust/strict-json.ts";
import { accept, refuse, type Verdict } from "../../../shared/trust/verdict.ts";
import { judgeSpec } from "../../core/desired/spec.ts";
import type { RefusedDocument } from "../../core/worker/messages.ts";
import { type Documents, writeBoth } from "./documents.ts";
import { believe, type Desired, loadDesired } from "./load-desired.ts";
import { verifyStoredIdentity } from "./stored-identity.ts";

export interface Arrived {
  readonly roots: readonly Envelope[];
  readonly cert?: Envelope | undefined;
  readonly bundle?: Envelope | undefined;
  readonly spec?: HostSpec | undefined;
}

export interface Adopted {
  readonly desired: Desired;
  readonly advanced: boolean;
  readonly newSpec: boolean;
  readonly refused: readonly RefusedDocument[];
}

export function adopt(world: World, dataDir: string, arrived: Arrived): Adopted {
  const before = loadDesired(world, dataDir);
  const refused: RefusedDocument[] = [];
  const taken = take(before, arrived, refused, world.clock.wallMs());
  if (taken === undefined) return { desired: before, advanced: false, newSpec: false, refused };
  const notes = writeBoth(world, dataDir, (stored) => keepOthers(taken, stored));
  const after = loadDesired(world, dataDir);
  return { desired: { ...after, notes: [...after.notes, ...notes] }, advanced: true, newSpec: taken.spec !== before.documents.spec, refused };
}

/** `undefined` when nothing new verified. */
function take(before: Desired, arrived: Arrived, refused: RefusedDocument[], nowMs: number): Documents | undefined {
  let documents = before.documents;
  const root = takeRoots(before, arrived.roots, refused);
  if (root === undefined) return undefined;
  if (root.isNew) documents = { ...documents, roots: [...root.chain], floor: raise(documents.floor, 0, root.root.payload.created_at) };
  const identity = believe(documents, root.root, before.keys).identity;
  if (arrived.cert !== undefined) documents = takeCert(documents, arrived.cert, identity, root.root, before, refused);
  if (arrived.bundle !== undefined) documents = takeBundle(documents, arrived.bundle, root.root, before.candidate?.version ?? 0, refused, nowMs);
  if (arrived.spec !== undefined) documents = takeSpec(documents, arrived.spec, before.membership.host_id, refused, nowMs);
  return documents === before.documents ? undefined : documents;
}

interface TakenRoot {
  readonly root: TrustedRoot;
  readonly chain: readonly Envelope[];
  readonly isNew: boolean;
}

function takeRoots(before: Desired, roots: readonly Envelope[], refused: RefusedDocument[]): TakenRoot | undefined {
  const held = before.root;
  const kept: TakenRoot | undefined = held === undefined ? undefined : { root: held, chain: before.documents.roots, isNew: false };
  if (roots.length === 0) return kept;
  const verdict: Verdict<TrustedRoot> = held === undefined ? verifyRootChain(roots, before.membership.root_hash) : extendRootChain(held, roots);
  if (!verdict.ok) {
    refused.push(refusal("root", held?.payload.version ?? 0, verdict));
    return kept;
  }
  return { root: verdict.value, chain: [...(kept?.chain ?? []), ...roots], isNew: true };
}

function takeCert(
  documents: Documents,
  cert: Envelope,
  current: HostIdentity | undefined,
  root: TrustedRoot,
  before: Desired,
  refused: RefusedDocument[],
): Documents {
  const next = verifyStoredIdentity({ cert }, root, before.keys);
  const verdict = !next.ok ? next : current !== undefined ? verifySuccessor(current, next.value) : above(heldSerial(documents.identity), next.value);
  if (!verdict.ok) {
    refused.push(refusal("cert", 0, verdict));
    return documents;
  }
  return { ...documents, identity: { cert }, floor: raise(documents.floor, 0, verdict.value.createdAt) };
}

/** The held certificate may have lost its signer to a newer root; its serial is a floor all the same, or an older one could be played back. */
function heldSerial(held: Documents["identity"]): number {
  const opened = held !== undefined && "cert" in held ? openEnvelope(held.cert, "host-cert") : undefined;
  if (opened?.ok !== true) return 0;
  const parsed = parseStrict(hostCertPayload, opened.value.payload, "host-cert");
  return parsed.ok ? parsed.value.serial : 0;
}

function above(serial: number, next: HostIdentity): Verdict<HostIdentity> {
  return next.serial > serial ? accept(next) : refuse("version_not_newer", `serial ${next.serial} after ${serial}`);
}

function takeBundle(documents: Documents, bundle: Envelope, root: TrustedRoot, candidate: number, refused: RefusedDocument[], nowMs: number): Documents {
  const floor = Math.max(documents.floor.bundle, candidate);
  const verdict = verifyBundle({ envelope: bundle, root, floor, nowMs, timeFloorMs: documents.floor.timeMs });
  if (!verdict.ok) {
    refused.push(refusal("bundle", 0, verdict));
    return documents;
  }
  return { ...documents, candidate: bundle, floor: raise(documents.floor, 0, verdict.value.created_at) };
}

function takeSpec(documents: Documents, offered: HostSpec, hostId: string, refused: RefusedDocument[], nowMs: number): Documents {
  const verdict = judgeSpec({ current: documents.spec, offered, hostId, nowMs });
  if (verdict.take) {
    const { awaiting: _before, ...rest } = documents;
    const waits = Object.keys(verdict.held).length > 0;
    return { ...rest, spec: verdict.spec, ...(waits ? { awaiting: { generation: verdict.spec.generation, fields: { ...verdict.held } } } : {}) };
  }
  refused.push({ what: "spec", version: offered.generation, code: verdict.why === "other_host" ? "host_mismatch" : "version_not_newer", detail: "" });
  return documents;
}

export function raise(floor: Documents["floor"], bundle: number, timeMs: number): Documents["floor"] {
  return { bundle: Math.max(floor.bundle, bundle), timeMs: Math.max(floor.timeMs, timeMs) };
}

/** Last good resources belong to the converge worker, which may have stored newer ones while this one verified. */
function keepOthers(taken: Documents, stored: Documents | undefined): Documents {
  const lastGood = stored?.lastGood ?? taken.lastGood;
  return { ...taken, ...(lastGood === undefined ? {} : { lastGood }) };
}

function refusal(what: RefusedDocument["what"], version: number, verdict: Verdict<unknown>): RefusedDocument {
  assert(!verdict.ok, "a refusal is made of a refusing verdict");
  return { what, version, code: verdict.refusal, detail: verdict.detail.slice(0, 1_024) };
}
