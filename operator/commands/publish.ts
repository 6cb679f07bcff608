import { byteSize, count, isoTime, parseDuration } from "../../shared/cli/age.ts";
import type { Call, Run } from "../../shared/cli/command.ts";
import { paint } from "../../shared/cli/colour.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { hint, isHuman, present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { progress } from "../../shared/cli/progress.ts";
import { Fault, isFault } from "../../shared/core/fault.ts";
import type { HostItem } from "../../shared/protocol/api/hosts.ts";
import { readFleetSources } from "../../shared/states/fleet-directory.ts";
import { readFleetDocuments, type Fleet } from "../../shared/states/fleet-documents.ts";
import { secretsFor } from "../../shared/states/secrets-for.ts";
import type { HostIdentity } from "../../shared/trust/host-identity.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { bundlePayload, type BundlePayload } from "../../shared/trust/payloads.ts";
import { loadSealedBox } from "../../shared/trust/sealed-box.ts";
import { sealSecrets } from "../../shared/trust/sealed-secrets.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";
import { fleetPath } from "../core/cli/fleet-path.ts";
import { checkFleet } from "../core/fleet-check/check-fleet.ts";
import { optionText } from "../core/cli/option-values.ts";
import { diffBundles, diffCounts, diffData, diffText, isSame, NO_BUNDLE } from "../core/fleet/bundle-diff.ts";
import { EXPIRES_MS_DEFAULT, makeManifest, nextVersion } from "../core/publish/make-manifest.ts";
import { secretsOf } from "../core/vault/edit-contents.ts";
import { fleetFault, hashFleet, type FleetTree } from "../edge/fleet-tree.ts";
import { gitMessage } from "../edge/git-message.ts";
import { listBundles, listHosts, take, uploadBundle } from "../edge/hub-api.ts";
import { readKnownHosts, rememberHosts } from "../edge/known-hosts.ts";
import { openSession, type Session } from "../edge/session.ts";
import { readRecordedHosts } from "../edge/recorded-hosts.ts";
import { readSignedVersion, writeSignedVersion } from "../edge/signed-version.ts";
import { signersFrom, unlocked } from "../edge/signers.ts";
import { planUpload, upload } from "../edge/upload-blobs.ts";
import { verifiedBundle } from "../edge/verified-bundle.ts";
import { verifiedHosts } from "../edge/verified-hosts.ts";

/**
 * Makes a fleet directory the fleet's next bundle: reads and checks it, says what differs and for whom, asks, seals each host's secrets to
 * the key in its verified certificate, signs the manifest with the vault, uploads what the hub lacks, and only then the manifest.
 * Interrupted anywhere, it leaves the old bundle in force; run again, it uploads only what is still missing.
 */
export const run: Run = async (call) => {
  const dir = fleetPath(call);
  const { fleet, tree } = await readFleet(call, dir);
  const session = await openSession(call);
  const before = await previous(call, session);
  const hosts = (await take(listHosts(session.hub))).filter(({ health }) => health !== "revoked");
  const sealing = await whoGetsWhat(call, session, fleet, hosts);
  const signedHere = readSignedVersion(call.world, call.globals.home, session.context.fleetId);
  if (before.version < signedHere)
    hint(
      call,
      paint(
        call.terminal,
        "warn",
        `  ! The hub's newest bundle is ${before.version}, but ${signedHere} was signed here: it was restored from a backup, or it withholds.`,
      ),
    );
  const parts = {
    root: session.root,
    version: nextVersion(before.version, signedHere),
    nowMs: session.nowMs,
    lifetimeMs: lifetime(call),
    message: optionText(call, "message") ?? (await gitMessage(call.world.exec, dir, call.env)) ?? "",
    files: tree.files,
  };
  const placeholder = Object.fromEntries([...sealing.byHost.keys()].map(({ hostId }) => [hostId, ""]));
  const draft = makeManifest({ ...parts, secrets: placeholder });
  const diff = diffBundles(before, draft);
  const data = {
    version: draft.version,
    dir,
    hosts: hosts.length,
    files: tree.files.length,
    bytes: tree.bytes,
    message: draft.message,
    expiresAt: isoTime(draft.expires_at),
    secretsFor: sealing.byHost.size,
    unverified: sealing.unverified,
    dryRun: call.globals.dryRun,
    changes: diffData(diff),
  };
  if (isHuman(call.globals)) hint(call, introduction(call, draft, { diff, hosts, sealing, tree }));
  if (call.globals.dryRun) {
    present(call, {
      kind: "Publication",
      data: { ...data, uploaded: 0 },
      human: () => "  Nothing was signed or sent: this was a dry run.",
      next: "felhom publish, without --dry-run",
    });
    return 0;
  }
  await confirm(
    call,
    isSame(diff)
      ? `Nothing differs from bundle ${before.version}. Sign and publish it again as ${draft.version}?`
      : `Sign and publish bundle ${draft.version} for ${count(hosts.length, "host")}?`,
  );
  const payload = await send(call, session, { draft, parts, sealing, tree });
  present(call, {
    kind: "Publication",
    data: { ...data, uploaded: payload.uploaded },
    human: () => `  ${mark(call.terminal, "good", `bundle ${draft.version} published`)}  ${diffCounts(diff)}; ${count(hosts.length, "host")} will fetch it`,
    next: hosts.length === 0 ? "felhom join-code, for the first box" : "felhom event follow --kind host",
  });
  return 0;
};

/** As `felhom check` judges it: nothing that a box would refuse is signed. */
async function readFleet(call: Call, dir: string): Promise<{ readonly fleet: Fleet; readonly tree: FleetTree }> {
  const sources = readFleetSources(call.world.files, dir);
  if (!sources.ok) throw fleetFault(sources.faults, dir);
  const recorded = readRecordedHosts(call.world.files, dir);
  const { faults } = await checkFleet(sources.value, recorded.hosts);
  const all = [...recorded.faults, ...faults];
  if (all.length > 0) throw fleetFault(all, dir);
  const fleet = await readFleetDocuments(sources.value.sources);
  if (!fleet.ok) throw fleetFault(fleet.faults, dir);
  const tree = hashFleet(call.world.files, dir);
  if (!tree.ok) throw fleetFault(tree.faults, dir);
  return { fleet: fleet.value, tree: tree.value };
}

/**
 * The newest bundle, to compare with. One that does not verify (its key has left the root since, or the hub lies) only says which
 * number is taken: its files are compared with nothing, and the next publication replaces it.
 */
async function previous(call: Call, session: Session): Promise<Pick<BundlePayload, "version" | "files" | "secrets">> {
  const [newest] = await take(listBundles(session.hub), 1);
  if (newest === undefined) return NO_BUNDLE;
  try {
    return (await verifiedBundle(session, newest.version)).payload;
  } catch (error) {
    if (!isFault(error, "refused")) throw error;
    hint(call, `  ${paint(call.terminal, "bad", `! ${escapeUntrusted(error.message)}`)}`);
    return { ...NO_BUNDLE, version: newest.version };
  }
}

interface Sealing {
  readonly byHost: ReadonlyMap<HostIdentity, readonly string[]>;
  readonly unverified: readonly string[];
}

/** Certificates are fetched and verified only when there are secrets to seal. */
async function whoGetsWhat(call: Call, session: Session, fleet: Fleet, hosts: readonly HostItem[]): Promise<Sealing> {
  if (Object.keys(fleet.secrets).length === 0) return { byHost: new Map(), unverified: [] };
  const shown = progress(call.terminal, { label: "verifying certificates", total: hosts.length, quiet: call.globals.quiet || !isHuman(call.globals) });
  const { identities, unverified } = await verifiedHosts(session, hosts, readKnownHosts(call.world, call.globals.home, session.context.fleetId), () =>
    shown.add(1),
  );
  if (!call.globals.dryRun) rememberHosts(call.world, call.globals.home, session.context.fleetId, identities);
  shown.done(count(identities.length, "verified certificate"));
  const names = await secretsFor(
    fleet,
    identities.map(({ hostId, name, labels }) => ({ host: { id: hostId, name }, labels })),
  );
  if (!names.ok) throw fleetFault(names.faults, "of this fleet");
  const byHost = new Map(identities.flatMap((identity, at) => ((names.value[at]?.length ?? 0) === 0 ? [] : [[identity, names.value[at] ?? []] as const])));
  return { byHost, unverified: unverified.map(({ host, because }) => `${host.name}: ${because}`) };
}

function lifetime(call: Call): number {
  const asked = optionText(call, "expires");
  const ms = asked === undefined ? EXPIRES_MS_DEFAULT : parseDuration(asked);
  if (ms === undefined)
    throw new Fault("bad_request", `Cannot publish with the lifetime ${asked ?? ""}`, { remedy: "--expires takes a time such as 30d, at most 366d." });
  return ms;
}

function introduction(
  call: Call,
  draft: BundlePayload,
  shown: { readonly diff: ReturnType<typeof diffBundles>; readonly hosts: readonly HostItem[]; readonly sealing: Sealing; readonly tree: FleetTree },
): string {
  const { terminal } = call;
  const names = new Map(shown.hosts.map((host) => [host.host_id as string, host.name]));
  const lines = [
    `${paint(terminal, "strong", `Bundle ${draft.version}`)}${draft.message === "" ? "" : `  ${escapeUntrusted(draft.message)}`}`,
    diffText(shown.diff, terminal, (id) => names.get(id) ?? id),
    fields(
      [
        ["hosts", String(shown.hosts.length)],
        ["secrets", shown.sealing.byHost.size === 0 ? "none" : `sealed for ${count(shown.sealing.byHost.size, "host")}`],
        ["files", `${shown.tree.files.length}, ${byteSize(shown.tree.bytes)}`],
        ["until", isoTime(draft.expires_at)],
      ],
      terminal,
    ),
    ...shown.sealing.unverified.map((line) => `  ${paint(terminal, "bad", `! gets no secrets: ${escapeUntrusted(line)}`)}`),
  ];
  return lines.join("\n");
}

interface Sending {
  readonly draft: BundlePayload;
  readonly parts: Omit<Parameters<typeof makeManifest>[0], "secrets">;
  readonly sealing: Sealing;
  readonly tree: FleetTree;
}

async function send(call: Call, session: Session, { draft, parts, sealing, tree }: Sending): Promise<{ readonly uploaded: number }> {
  const contents = await unlocked(call);
  const keys = signersFrom(call, contents, { root: session.root, role: "publish" });
  const payload = makeManifest({ ...parts, secrets: await sealAll(call, sealing, draft.version, secretsOf(contents, session.context.fleetId)) });
  const plan = await planUpload(session.hub, tree.blobs);
  const shown = progress(call.terminal, {
    label: "uploading",
    total: plan.bytes,
    quiet: call.globals.quiet || !isHuman(call.globals) || plan.blobs.length === 0,
    amount: byteSize,
  });
  await upload(session.hub, plan, (bytes) => shown.add(bytes));
  shown.done(`${count(plan.blobs.length, "file")}, ${byteSize(plan.bytes)}`);
  // Before the signature exists: a number that was signed once is never used for another tree, whatever happens next.
  writeSignedVersion(call.world, call.globals.home, session.context.fleetId, draft.version);
  await uploadBundle(session.hub, signPayload("bundle", bundlePayload, payload, keys));
  return { uploaded: plan.blobs.length };
}

async function sealAll(call: Call, { byHost }: Sealing, bundle: number, values: Readonly<Record<string, string>>): Promise<BundlePayload["secrets"]> {
  const missing = [...new Set([...byHost.values()].flat())].filter((name) => !Object.hasOwn(values, name)).toSorted();
  if (missing.length > 0)
    throw new Fault(
      "not_found",
      `Cannot publish: the vault has no value for ${missing.slice(0, 5).join(", ")}${missing.length > 5 ? ` and ${missing.length - 5} more` : ""}`,
      { remedy: `felhom secret set ${missing[0] ?? ""}` },
    );
  if (byHost.size === 0) return {};
  const box = await loadSealedBox();
  const sealed: Record<string, string> = {};
  for (const [identity, names] of byHost) {
    const secrets = Object.fromEntries(names.map((name) => [name, values[name] ?? ""]));
    sealed[identity.hostId] = mustVerify(
      sealSecrets({ box, identity, bundle, secrets, ephemeralSeed: call.world.crypto.randomBytes(32) }),
      `Cannot seal the secrets of ${identity.name}`,
    );
  }
  return sealed;
}
