import { age, ago, count, isoTime, until } from "../../shared/cli/age.ts";
import type { Call } from "../../shared/cli/command.ts";
import type { Finding } from "../../shared/cli/doctor-screen.ts";
import { Fault, flatten, isFault } from "../../shared/core/fault.ts";
import type { HubStatus } from "../../shared/protocol/api/fleet.ts";
import { VERSION } from "../../shared/version.ts";
import { getStatus, listBundles, take } from "./hub-api.ts";
import { connect, pinsOf } from "./session.ts";
import { hasVault } from "./vault.ts";
import { verifiedBundle } from "./verified-bundle.ts";
import { Workstation, type FleetRoots, type HubContext, type SavedSession } from "./workstation.ts";

/**
 * Looks at each part of the way from this workstation to its fleet, in order, and goes on as far as it can: a part that can't be looked at
 * because an earlier one is broken is said to be skipped, never well.
 */
const DAY_MS = 86_400_000;
const SKEW_MS_MAX = 60_000;
const ROOT_SOON_MS = 30 * DAY_MS;
const BUNDLE_SOON_MS = 14 * DAY_MS;
const BACKUP_OLD_MS = 7 * DAY_MS;

export async function examineHub(call: Call): Promise<readonly Finding[]> {
  const workstation = new Workstation(call.world, call.globals.home);
  const findings: Finding[] = [vaultFinding(call)];
  const context = workstation.contextIfAny(call.globals.context);
  if (context === undefined)
    return [...findings, { id: "context", title: "context", status: "fail", detail: "no hub is known on this workstation", fix: "felhom login --hub URL" }];
  findings.push({ id: "context", title: "context", status: "ok", detail: `${context.name}, ${context.hubUrl}` });
  const { roots, finding } = rootFinding(workstation, context, call.world.clock.wallMs());
  findings.push(finding);
  const session = workstation.session(context.name);
  const reached = await reach(call, context, roots);
  findings.push(...reached.findings);
  findings.push(sessionFinding(call, context, session));
  if (!reached.ok || roots === undefined || session === undefined || session.expiresAt <= call.world.clock.wallMs()) return [...findings, ...SKIPPED];
  return [...findings, ...(await insideFindings(call, { context, roots, session }))];
}

const SKIPPED: readonly Finding[] = (["fleet", "clock", "hub parts", "backup", "bundle"] as const).map((title) => ({
  id: title.replace(" ", "-"),
  title,
  status: "skipped",
  detail: "not looked at: it needs a hub that answers and a session",
}));

function vaultFinding(call: Call): Finding {
  return hasVault(call.world, call.globals.home)
    ? { id: "vault", title: "vault", status: "ok", detail: `${call.globals.home}/vault` }
    : { id: "vault", title: "vault", status: "warn", detail: `none in ${call.globals.home}: nothing can be signed here`, fix: "felhom key new" };
}

function rootFinding(workstation: Workstation, context: HubContext, nowMs: number): { readonly roots: FleetRoots | undefined; readonly finding: Finding } {
  const at = { id: "root", title: "root" };
  try {
    const roots = workstation.roots(context.fleetId);
    const { version, expires_at, fleet_name } = roots.newest.payload;
    const detail = `${fleet_name}, version ${version}, expires ${until(expires_at, nowMs)}`;
    if (expires_at <= nowMs) return { roots, finding: { ...at, status: "fail", detail, fix: "felhom trust rotate" } };
    return {
      roots,
      finding: expires_at - nowMs < ROOT_SOON_MS ? { ...at, status: "warn", detail, fix: "felhom trust rotate" } : { ...at, status: "ok", detail },
    };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { roots: undefined, finding: { ...at, status: "fail", detail: error.message, ...(error.remedy === undefined ? {} : { fix: error.remedy }) } };
  }
}

async function reach(call: Call, context: HubContext, roots: FleetRoots | undefined): Promise<{ readonly ok: boolean; readonly findings: readonly Finding[] }> {
  const pins = pinsOf(context, roots);
  const hub = connect(call, { url: context.hubUrl, pins });
  const startedMs = call.world.clock.monoMs();
  const tls: Finding = {
    id: "tls",
    title: "tls",
    status: "ok",
    detail: context.hubUrl.startsWith("http:") ? "plain http on this machine" : pins.length > 0 ? "the pinned key" : "by the system's authorities; no pin",
  };
  try {
    await hub.reply({ op: "doctor.healthz", method: "GET", path: "/healthz" });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (isFault(error, "net_tls"))
      return {
        ok: false,
        findings: [
          {
            ...tls,
            status: "fail",
            detail: `the server's key is not the pinned one (${flatten(error)})`,
            fix: "Find out why before going on. If the hub got a new key: felhom login --hub URL --pin PIN",
          },
        ],
      };
    return {
      ok: false,
      findings: [
        {
          id: "reach",
          title: "reach",
          status: "fail",
          detail: `no answer from ${context.hubUrl} (${flatten(error)})`,
          fix: "Is the hub running, and is the way to it open?",
        },
      ],
    };
  }
  const findings: Finding[] = [{ id: "reach", title: "reach", status: "ok", detail: `answered in ${age(call.world.clock.monoMs() - startedMs)}` }, tls];
  try {
    await hub.reply({ op: "doctor.readyz", method: "GET", path: "/readyz" });
    findings.push({ id: "ready", title: "ready", status: "ok", detail: "it can do its job" });
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    findings.push({
      id: "ready",
      title: "ready",
      status: "fail",
      detail: `it says that it cannot do its job: ${error.message}`,
      fix: "Look at the hub's log.",
    });
  }
  return { ok: true, findings };
}

function sessionFinding(call: Call, context: HubContext, session: SavedSession | undefined): Finding {
  const nowMs = call.world.clock.wallMs();
  const at = { id: "session", title: "session" };
  if (session === undefined) return { ...at, status: "fail", detail: "you are not logged in", fix: `felhom login --context ${context.name}` };
  if (session.expiresAt <= nowMs)
    return { ...at, status: "fail", detail: `expired ${ago(session.expiresAt, nowMs)}`, fix: `felhom login --context ${context.name}` };
  return { ...at, status: "ok", detail: `${session.role}, ends ${until(session.expiresAt, nowMs)}` };
}

interface Inside {
  readonly context: HubContext;
  readonly roots: FleetRoots;
  readonly session: SavedSession;
}

async function insideFindings(call: Call, { context, roots, session }: Inside): Promise<readonly Finding[]> {
  const hub = connect(call, { url: context.hubUrl, pins: pinsOf(context, roots), token: session.token });
  let status: HubStatus;
  try {
    status = await getStatus(hub);
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return [{ id: "status", title: "status", status: "fail", detail: error.message, fix: error.remedy ?? `felhom login --context ${context.name}` }];
  }
  const nowMs = call.world.clock.wallMs();
  return [
    fleetFinding(status, roots),
    clockFinding(status, nowMs),
    versionFinding(status),
    ...partFindings(status),
    backupFinding(status, nowMs),
    await bundleFinding(call, hub, roots),
  ];
}

function fleetFinding(status: HubStatus, roots: FleetRoots): Finding {
  const at = { id: "fleet", title: "fleet" };
  if (status.fleet_id !== roots.fleetId)
    return { ...at, status: "fail", detail: `it serves ${status.fleet_id ?? "no fleet"}, this context pins ${roots.fleetId}` };
  const held = roots.newest.payload.version;
  if (status.root_version < held)
    return {
      ...at,
      status: "fail",
      detail: `it has root ${status.root_version}, version ${held} is known here`,
      fix: "felhom login brings the newer root to the hub",
    };
  return { ...at, status: "ok", detail: `root ${status.root_version}, ${count(status.hosts.total, "host")}, ${status.hosts.attention} need attention` };
}

function clockFinding(status: HubStatus, nowMs: number): Finding {
  const skewMs = status.now - nowMs;
  const at = { id: "clock", title: "clock" };
  return Math.abs(skewMs) > SKEW_MS_MAX
    ? {
        ...at,
        status: "fail",
        detail: `the hub is ${age(Math.abs(skewMs))} ${skewMs > 0 ? "ahead" : "behind"}`,
        fix: "Set the clocks; chronyc tracking or timedatectl tell more.",
      }
    : { ...at, status: "ok", detail: `within ${age(Math.abs(skewMs))} of the hub's` };
}

function versionFinding(status: HubStatus): Finding {
  const same = status.version === VERSION;
  return {
    id: "version",
    title: "version",
    status: same ? "ok" : "warn",
    detail: same ? `${VERSION}, as the hub` : `${VERSION} here, ${status.version} at the hub`,
  };
}

function partFindings(status: HubStatus): readonly Finding[] {
  return status.checks.map(({ name, is, because }) => ({
    id: `hub.${name}`,
    title: name.slice(0, 14),
    status: is === "healthy" ? "ok" : is === "degraded" ? "warn" : "fail",
    detail: because === null ? is : `${is}: ${because}`,
  }));
}

function backupFinding(status: HubStatus, nowMs: number): Finding {
  const at = { id: "backup", title: "backup" };
  const { last_backup_at } = status.database;
  if (last_backup_at === null) return { ...at, status: "warn", detail: "the hub was never backed up", fix: "On the hub: felhom hub backup" };
  const detail = ago(last_backup_at, nowMs);
  return nowMs - last_backup_at > BACKUP_OLD_MS ? { ...at, status: "warn", detail, fix: "On the hub: felhom hub backup" } : { ...at, status: "ok", detail };
}

async function bundleFinding(call: Call, hub: ReturnType<typeof connect>, roots: FleetRoots): Promise<Finding> {
  const at = { id: "bundle", title: "bundle" };
  try {
    const [newest] = await take(listBundles(hub), 1);
    if (newest === undefined) return { ...at, status: "warn", detail: "none was published yet", fix: "felhom publish DIR" };
    const { payload } = await verifiedBundle({ hub, root: roots.newest }, newest.version);
    const nowMs = call.world.clock.wallMs();
    const detail = `${payload.version} verified, expires ${until(payload.expires_at, nowMs)} (${isoTime(payload.expires_at)})`;
    return payload.expires_at - nowMs < BUNDLE_SOON_MS
      ? { ...at, status: payload.expires_at <= nowMs ? "fail" : "warn", detail, fix: "felhom publish: new boxes take in no expired bundle" }
      : { ...at, status: "ok", detail };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return { ...at, status: "fail", detail: error.message, ...(error.remedy === undefined ? {} : { fix: error.remedy }) };
  }
}
