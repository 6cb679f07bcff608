import type { Call, Run } from "../../shared/cli/command.ts";
import { count } from "../../shared/cli/age.ts";
import { paint } from "../../shared/cli/colour.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, isHuman, present } from "../../shared/cli/present.ts";
import { table } from "../../shared/cli/table.ts";
import { type Fault, isFault } from "../../shared/core/fault.ts";
import { checkKnown, type HostIdentity } from "../../shared/trust/host-identity.ts";
import type { TrustedRoot } from "../../shared/trust/root.ts";
import { enrollmentWords } from "../../shared/trust/words.ts";
import { optionText } from "../core/cli/option-values.ts";
import { nextCertificate, signCertificate } from "../core/fleet/certificate.ts";
import { unverifiedText } from "../core/fleet/verified-host.ts";
import { allRoots, rootWithout, type Standing, standingOf } from "../core/trust/certificates-again.ts";
import { chooseKey } from "../core/trust/root-edit.ts";
import { getHost, listHosts, take, uploadCertificate } from "../edge/hub-api.ts";
import { type KnownHosts, readKnownHosts, rememberHosts } from "../edge/known-hosts.ts";
import { openSession, type Session } from "../edge/session.ts";
import { signersFrom, unlocked } from "../edge/signers.ts";
import { Workstation } from "../edge/workstation.ts";

/**
 * Host certificates signed again, so that no box has to enroll anew when a key of the role admit goes. Best before it goes
 * (`--before-removing KEY`); afterwards the old signatures vouch only if the key was lost, not if it was stolen: then the words
 * that are shown here have to be compared with each box.
 */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const { chain, pin } = new Workstation(call.world, call.globals.home).roots(session.context.fleetId);
  const leaving = optionText(call, "before-removing");
  const wanted = leaving === undefined ? session.root : rootWithout(session.root, chooseKey(session.root.payload, leaving));
  const { again, unverified } = await survey(session, {
    wanted,
    roots: allRoots(chain, pin),
    known: readKnownHosts(call.world, call.globals.home, session.context.fleetId),
  });
  const data = {
    dryRun: call.globals.dryRun,
    items: again.map(({ identity, under }) => ({
      id: identity.hostId,
      name: identity.name,
      serial: identity.serial + 1,
      under,
      words: enrollmentWords(identity.signingKey, identity.boxKey).join("-"),
    })),
    unverified,
  };
  const lines = unverified.map(
    ({ name, because }) => `  ${mark(call.terminal, "bad", `${escapeUntrusted(name)} can't be signed again: ${escapeUntrusted(because)}`)}`,
  );
  if (again.length === 0 || call.globals.dryRun) {
    const none = leaving === undefined ? "Every host certificate that verifies counts already." : "No host certificate depends on that key alone.";
    present(call, {
      kind: "CertificateList",
      data: { ...data, signed: 0 },
      human: () => [again.length === 0 ? `  ${none}` : listing(call, again), ...lines].join("\n"),
    });
    return unverified.length > 0 ? 4 : 0;
  }
  if (isHuman(call.globals)) hint(call, [listing(call, again), ...lines, ...(leaving === undefined ? [warning(call)] : [])].join("\n"));
  await confirm(call, `Sign ${count(again.length, "certificate")} again?`);
  const keys = signersFrom(call, await unlocked(call), { root: wanted, role: "admit" });
  const failed: { readonly name: string; readonly because: string }[] = [];
  for (const { identity } of again) {
    const payload = nextCertificate(identity, { name: identity.name, labels: identity.labels, nowMs: session.nowMs });
    const error = await failureOf(uploadCertificate(session.hub, identity.hostId, signCertificate(payload, keys)));
    if (error === undefined) rememberHosts(call.world, call.globals.home, session.context.fleetId, [{ hostId: identity.hostId, serial: payload.serial }]);
    else failed.push({ name: identity.name, because: error.message });
  }
  const signed = again.length - failed.length;
  present(call, {
    kind: "CertificateList",
    data: { ...data, signed, failed },
    human: () =>
      [
        `  ${mark(call.terminal, failed.length === 0 ? "good" : "warn", `${count(signed, "certificate")} signed again`)}`,
        ...failed.map(({ name, because }) => `  ${mark(call.terminal, "bad", `${escapeUntrusted(name)}: ${escapeUntrusted(because)}`)}`),
        ...lines,
      ].join("\n"),
    next: leaving === undefined ? "felhom publish, if the key had the role publish too" : `felhom trust remove ${escapeUntrusted(leaving)}`,
  });
  return failed.length > 0 || unverified.length > 0 ? 4 : 0;
};

type Again = Extract<Standing, { readonly is: "again" }>;

interface Judging {
  readonly wanted: TrustedRoot;
  readonly roots: readonly TrustedRoot[];
  readonly known: KnownHosts;
}

interface Survey {
  readonly again: readonly Again[];
  readonly unverified: readonly { readonly name: string; readonly because: string }[];
}

async function survey({ hub }: Session, { wanted, roots, known }: Judging): Promise<Survey> {
  const again: Again[] = [];
  const unverified: { readonly name: string; readonly because: string }[] = [];
  for (const host of (await take(listHosts(hub))).filter(({ health }) => health !== "revoked")) {
    const standing = standingOf(await getHost(hub, host.host_id), wanted, roots);
    if (standing.is === "unverified") unverified.push({ name: host.name, because: standing.because });
    if (standing.is !== "again") continue;
    const remembered = checkKnown(known.get(standing.identity.hostId), standing.identity);
    if (remembered.ok) again.push(standing);
    else unverified.push({ name: host.name, because: unverifiedText(remembered) });
  }
  return { again, unverified };
}

function listing(call: Call, again: readonly Again[]): string {
  const wordsOf = ({ signingKey, boxKey }: HostIdentity): string => enrollmentWords(signingKey, boxKey).join("-");
  return table(
    [{ title: "HOST", flex: true }, { title: "ID" }, { title: "WORDS", flex: true, least: 20 }, { title: "ROOT", align: "right" }],
    again.map(({ identity, under }) => [identity.name, identity.hostId, wordsOf(identity), under]),
    call.terminal,
  );
}

function warning(call: Call): string {
  return `  ${paint(call.terminal, "warn", "! The key that signed these has left the root. If it was stolen rather than lost, go on only if each line shows words that you once compared.")}`;
}

async function failureOf(sent: Promise<unknown>): Promise<Fault | undefined> {
  try {
    await sent;
    return undefined;
  } catch (error) {
    if (isFault(error)) return error;
    throw error;
  }
}
