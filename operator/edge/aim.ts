import type { Call } from "../../shared/cli/command.ts";
import { fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { hostProof, type HostProof } from "../../shared/protocol/api/hosts.ts";
import type { OpKindName } from "../../shared/ops/catalogue.ts";
import { opTraits } from "../../shared/ops/catalogue.ts";
import { openTargets } from "../../shared/ops/op-target.ts";
import { checkKnown, type HostIdentity, verifyAdmission, verifyHostCert } from "../../shared/trust/host-identity.ts";
import { verifyHostSigned } from "../../shared/trust/report.ts";
import { refuse, type Verdict } from "../../shared/trust/verdict.ts";
import { optionList, optionText } from "../core/cli/option-values.ts";
import { unverifiedText } from "../core/fleet/verified-host.ts";
import { asksOfAll, type Candidate, chooseTargets, type ChosenTargets, guestHost, guestTarget, namedHosts } from "../core/jobs/choose-targets.ts";
import { pages, take } from "./hub-api.ts";
import { readKnownHosts, rememberHosts } from "./known-hosts.ts";
import type { Session } from "./session.ts";

/**
 * Whom an op is for, as this workstation can prove it: every host that is counted, named or signed for was read from a certificate
 * that an operator signed, and is not one that was revoked here. What does not verify is left out and said.
 */
export interface Aimed extends ChosenTargets {
  readonly seed: string;
  /** Verified identities, for the answers too. */
  readonly identities: ReadonlyMap<string, HostIdentity>;
  readonly unverified: readonly string[];
  /** Hosts of the fleet that were looked at. */
  readonly of: number;
}

const FILE_BYTES_MAX = 1_024 * 1_024;

export async function aim(call: Call, session: Session, asked: string, kind: OpKindName): Promise<Aimed> {
  const wish = {
    asked,
    except: optionList(call, "except"),
    limit: optionText(call, "limit"),
    seed: optionText(call, "seed") ?? newSeed(call),
    from: await fromFile(call, optionText(call, "from-file")),
  };
  const isGuest = opTraits(kind)?.aims === "guest";
  const all = !isGuest && (asksOfAll(wish) || wish.except.length > 0 || wish.from !== undefined);
  const proofs = await listProofs(session, all);
  const wanted = all ? proofs : namedHosts(proofs, isGuest ? guestHost(asked) : asked);
  const { candidates, identities, unverified } = verifyAll(call, session, wanted);
  const [only] = wanted;
  if (wanted.length === 1 && candidates.length === 0 && only !== undefined)
    throw new Fault("unverified", `Cannot aim at ${only.name}: ${unverified[0] ?? "it does not verify"}`, { remedy: `felhom host show ${only.host_id}` });
  const chosen = isGuest ? guestTarget(candidates, asked) : chooseTargets(candidates, wish, await openTargets());
  return { ...chosen, seed: wish.seed, identities, unverified, of: proofs.length };
}

export function listProofs(session: Pick<Session, "hub">, withFacts: boolean): Promise<readonly HostProof[]> {
  return take(pages(session.hub, { op: "hub.identities", path: "/api/v1/identities", item: hostProof, query: { facts: withFacts } }));
}

/** Identity of one host as it was signed; also of a revoked one, whose earlier answers stay its own. */
export function identityOf(proof: Pick<HostProof, "host_id" | "host_cert" | "grant" | "admission">, { root }: Pick<Session, "root">): Verdict<HostIdentity> {
  const identity =
    proof.host_cert !== null
      ? verifyHostCert(proof.host_cert, root)
      : proof.grant !== null && proof.admission !== null
        ? verifyAdmission({ grant: proof.grant, admission: proof.admission, root })
        : refuse("key_unknown", "the hub has no certificate for this host");
  if (!identity.ok || identity.value.hostId === proof.host_id) return identity;
  return refuse("host_mismatch", `the certificate is of ${identity.value.hostId}`);
}

function verifyAll(call: Call, session: Session, proofs: readonly HostProof[]) {
  const known = readKnownHosts(call.world, call.globals.home, session.context.fleetId);
  const candidates: Candidate[] = [];
  const identities = new Map<string, HostIdentity>();
  const unverified: string[] = [];
  for (const proof of proofs) {
    const signed = identityOf(proof, session);
    const identity = signed.ok ? checkKnown(known.get(signed.value.hostId), signed.value) : signed;
    if (!identity.ok) {
      unverified.push(`${proof.name}: ${unverifiedText(identity)}`);
      continue;
    }
    if (identity.value.name !== proof.name) {
      unverified.push(`${proof.name}: its certificate calls it ${identity.value.name}`);
      continue;
    }
    identities.set(identity.value.hostId, identity.value);
    candidates.push({ hostId: identity.value.hostId, name: identity.value.name, labels: identity.value.labels, facts: factsOf(proof, identity.value) });
  }
  if (!call.globals.dryRun) rememberHosts(call.world, call.globals.home, session.context.fleetId, [...identities.values()]);
  return { candidates, identities, unverified };
}

/** Facts that do not verify are no facts: an expression that asks for one does not mean this host here. */
function factsOf(proof: HostProof, identity: HostIdentity): Candidate["facts"] {
  if (proof.facts === null) return {};
  const verified = verifyHostSigned("facts", proof.facts, identity);
  return verified.ok ? verified.value.facts : {};
}

function newSeed(call: Call): string {
  return Buffer.from(call.world.crypto.randomBytes(3)).toString("hex");
}

/** One name or id a line; `#` begins a remark. */
async function fromFile(call: Call, file: string | undefined): Promise<readonly string[] | undefined> {
  if (file === undefined) return undefined;
  const words = fromUtf8(await readAny(call, file, FILE_BYTES_MAX))
    .split("\n")
    .map((line) => line.replace(/#.*$/, "").trim())
    .filter((line) => line !== "");
  if (words.length === 0) throw new Fault("bad_request", `Cannot use ${file}: it names no host`);
  return words;
}

/** A file of the workstation, or stdin for `-`. */
export async function readAny(call: Pick<Call, "terminal" | "world" | "cwd">, file: string, bytesMax: number): Promise<Uint8Array> {
  if (file === "-") return call.terminal.readStdin(bytesMax);
  return call.world.files.read("op.read", file.startsWith("/") ? file : `${call.cwd}/${file}`, { bytesMax, follow: true });
}
