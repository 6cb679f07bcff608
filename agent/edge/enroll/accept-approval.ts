/**
 * The hub says this box is approved. Nothing of that is believed on its word: the root chain has to begin at the hash in the join
 * code, the certificate (or grant and admission) has to be signed under that root and name this box's own keys, and the
 * credential has to open with this box's key. Only then is anything written: documents first, membership last.
 */
import * as z from "zod/mini";
import { fromBase64, fromUtf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import type { EnrollState } from "../../../shared/protocol/enroll.ts";
import { text } from "../../../shared/protocol/fields.ts";
import type { World } from "../../../shared/ports/world.ts";
import { type HostIdentity, verifyHostCert } from "../../../shared/trust/host-identity.ts";
import type { JoinCode } from "../../../shared/trust/join-code.ts";
import { chainHolds, type TrustedRoot, verifyRootChain } from "../../../shared/trust/root.ts";
import { loadSealedBox } from "../../../shared/trust/sealed-box.ts";
import { accept, refuse, type Verdict } from "../../../shared/trust/verdict.ts";
import { raise } from "../desired/adopt.ts";
import { type Documents, NO_DOCUMENTS, writeBoth } from "../desired/documents.ts";
import { loadDesired } from "../desired/load-desired.ts";
import { verifyStoredIdentity } from "../desired/stored-identity.ts";
import { readMembership, writeMembership } from "../store/membership.ts";
import type { Identity } from "./identity.ts";

type Approved = Extract<EnrollState, { readonly state: "approved" }>;

const sealedCredential = z.object({ credential: text(512) });

export interface Approval {
  readonly root: TrustedRoot;
  readonly identity: HostIdentity;
  readonly proof: NonNullable<Documents["identity"]>;
  readonly credential: string;
}

export async function verifyApproval(approved: Approved, join: JoinCode, keys: Identity): Promise<Verdict<Approval>> {
  const root = verifyRootChain(approved.roots, join.rootHash);
  if (!root.ok) return root;
  if (root.value.payload.fleet_id !== join.fleetId)
    return refuse("fleet_mismatch", `the root is of ${root.value.payload.fleet_id}, the join code of ${join.fleetId}`);
  const reached = join.newest === undefined ? undefined : chainHolds(approved.roots, join.newest);
  if (reached?.ok === false) return reached;
  const proof = proofOf(approved);
  if (proof === undefined) return refuse("envelope_malformed", "neither a certificate nor a grant came with the approval");
  const identity = verifyStoredIdentity(proof, root.value, keys);
  if (!identity.ok) return identity;
  const credential = await openCredential(approved.sealed_credential, keys);
  return credential.ok ? accept({ root: root.value, identity: identity.value, proof, credential: credential.value }) : credential;
}

export function keepApproval(
  world: World,
  dataDir: string,
  approval: Approval,
  from: { readonly approved: Approved; readonly join: JoinCode; readonly urls: readonly string[] },
): void {
  const held = heldBefore(world, dataDir, from.join);
  writeBoth(world, dataDir, (stored) => merge({ stored: stored ?? held, held }, approval, from.approved, from.join));
  writeMembership(world, dataDir, {
    v: 1,
    fleet_id: approval.identity.fleetId,
    host_id: approval.identity.hostId,
    root_hash: from.join.rootHash,
    pins: [...from.join.pins],
    urls: [...from.urls],
    credential: approval.credential,
    enrolled_at: world.clock.wallMs(),
  });
}

/** What this box held in the same fleet, from whichever copy is whole: enrolling over a damaged database must not forget the floors. */
function heldBefore(world: World, dataDir: string, join: JoinCode): Documents | undefined {
  try {
    if (readMembership(world, dataDir)?.root_hash !== join.rootHash) return undefined;
    const desired = loadDesired(world, dataDir);
    return desired.source === "none" ? undefined : desired.documents;
  } catch (error) {
    // A damaged membership is what this enrollment mends.
    if (isFault(error, "file_not_regular")) return undefined;
    throw error;
  }
}

interface Before {
  readonly stored: Documents | undefined;
  readonly held: Documents | undefined;
}

/** A box that enrolls again in its own fleet keeps what it holds, floors above all; documents of another fleet are not its own any more. */
function merge({ stored, held }: Before, approval: Approval, approved: Approved, join: JoinCode): Documents {
  const chain = stored === undefined ? undefined : verifyRootChain(stored.roots, join.rootHash);
  const isSameFleet = stored !== undefined && chain?.ok === true;
  const base = isSameFleet ? stored : NO_DOCUMENTS;
  const heldIsNewer = chain?.ok === true && chain.value.payload.version > approval.root.payload.version;
  const floor = raise(base.floor, held?.floor.bundle ?? 0, held?.floor.timeMs ?? 0);
  return {
    ...base,
    roots: isSameFleet && heldIsNewer ? base.roots : [...approved.roots],
    identity: newerIdentity(base.identity, approval),
    floor: raise(floor, 0, approval.root.payload.created_at),
  };
}

/** A hub can't answer an enrollment with an older certificate than the one that is here: serials only grow. */
function newerIdentity(held: Documents["identity"], approval: Approval): NonNullable<Documents["identity"]> {
  if (held === undefined || !("cert" in held)) return approval.proof;
  const verified = verifyHostCert(held.cert, approval.root);
  const isNewer = verified.ok && verified.value.hostId === approval.identity.hostId && verified.value.serial > approval.identity.serial;
  return isNewer ? held : approval.proof;
}

function proofOf({ host_cert, grant, admission }: Approved): Documents["identity"] {
  if (host_cert !== undefined) return { cert: host_cert };
  return grant === undefined || admission === undefined ? undefined : { grant, admission };
}

async function openCredential(sealed: string, keys: Identity): Promise<Verdict<string>> {
  const bytes = fromBase64(sealed);
  if (bytes === undefined) return refuse("secret_unopenable", "the credential is not base64");
  const opened = (await loadSealedBox()).open(bytes, keys.boxKey);
  if (!opened.ok) return opened;
  try {
    const parsed = z.safeParse(sealedCredential, JSON.parse(fromUtf8(opened.value)));
    if (parsed.success) return accept(parsed.data.credential);
  } catch {
    // Falls through: what is inside is not what was promised, whichever way.
  }
  return refuse("secret_unopenable", "what is inside the sealed credential is not a credential");
}
