/** Measures what core/doctor judges. Each look stands alone: one that fails is a finding, not the end of the others. */
import { byteSize, age } from "../../../shared/cli/age.ts";
import { Fault, flatten, isFault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import { clockFinding, diskFinding, type Finding, pollFinding, policyFinding, type Reach, reachFinding } from "../../core/doctor/findings.ts";
import type { AgentStatus } from "../../core/status/agent-status.ts";
import { paths } from "../../core/desired/paths.ts";
import { loadIdentity } from "../enroll/identity.ts";
import { readLocalPolicy } from "../ops/local-policy.ts";
import { assertOurs } from "../store/data-dir.ts";
import { type Membership, readMembership } from "../store/membership.ts";
import { joinUrl } from "../sync/hub-client.ts";
import { readAgentStatus } from "../socket/socket-client.ts";

const REACH_TIMEOUT_MS = 10_000;
const UNITS = ["felhom-watchdog.service", "felhom-agent.service"] as const;

export async function examine(
  world: World,
  at: { readonly dataDir: string; readonly socketPath: string; readonly policyPath?: string },
): Promise<readonly Finding[]> {
  const directory = look("data-dir", "data directory", () => (assertOurs(world.files, world.self, at.dataDir), `${at.dataDir}, writable by this user only`));
  const identity = look("identity", "identity", () => (loadIdentity(world, at.dataDir), "keys readable by this user only"));
  const enrolled = memberOf(world, at.dataDir);
  const { reaches, offsetMs } = enrolled.membership === undefined ? { reaches: [], offsetMs: undefined } : await reachAll(world, enrolled.membership);
  const agent = await agentFindings(world, at.socketPath);
  const names = await nameFinding(world, enrolled.membership?.urls ?? []);
  return [
    clockFinding(offsetMs),
    directory,
    identity,
    enrolled.finding,
    names,
    ...reaches.map(reachFinding),
    ...agent,
    await policy(world, at.policyPath),
    await unitFinding(world),
    disk(world, at.dataDir),
    binary(world),
  ];
}

async function policy(world: World, path?: string): Promise<Finding> {
  const { key, value } = await readLocalPolicy(world, undefined, path);
  return policyFinding(value, key !== "none");
}

function look(id: string, title: string, body: () => string): Finding {
  try {
    return { id, title, status: "ok", detail: body() };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { id, title, status: "fail", detail: flatten(error), ...(error.remedy === undefined ? {} : { fix: error.remedy }) };
  }
}

function memberOf(world: World, dataDir: string): { readonly membership: Membership | undefined; readonly finding: Finding } {
  const base = { id: "membership", title: "membership" };
  try {
    const membership = readMembership(world, dataDir);
    if (membership === undefined) return { membership, finding: { ...base, status: "fail", detail: "not enrolled", fix: "felhom enroll" } };
    return { membership, finding: { ...base, status: "ok", detail: `${membership.host_id} in ${membership.fleet_id}` } };
  } catch (error) {
    if (!isFault(error)) throw error;
    return {
      membership: undefined,
      finding: { ...base, status: "fail", detail: flatten(error), ...(error.remedy === undefined ? {} : { fix: error.remedy }) },
    };
  }
}

async function reachAll(world: World, membership: Membership): Promise<{ readonly reaches: readonly Reach[]; readonly offsetMs: number | undefined }> {
  const results = await Promise.all(membership.urls.map((url) => reach(world, url, membership.pins)));
  const offsets = results.flatMap(({ offsetMs }) => (offsetMs === undefined ? [] : [offsetMs]));
  return { reaches: results.map(({ reach: found }) => found), offsetMs: offsets[0] };
}

/** Any HTTP answer counts: that the connection and the key are right is what is asked. */
async function reach(world: World, url: string, pins: readonly string[]): Promise<{ readonly reach: Reach; readonly offsetMs: number | undefined }> {
  const startMs = world.clock.monoMs();
  const isPinned = pins.length > 0;
  try {
    const reply = await world.net.request("doctor.reach", {
      method: "GET",
      url: joinUrl(url, "/healthz"),
      timeoutMs: REACH_TIMEOUT_MS,
      replyBytesMax: 64 * 1024,
      ...(isPinned ? { pins } : {}),
    });
    const date = Date.parse(reply.headers["date"] ?? "");
    return { reach: { url, tookMs: world.clock.monoMs() - startMs, isPinned }, offsetMs: Number.isNaN(date) ? undefined : date - world.clock.wallMs() };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { reach: { url, tookMs: world.clock.monoMs() - startMs, isPinned, fault: { code: error.code, message: error.message } }, offsetMs: undefined };
  }
}

/** Names as this machine resolves them: what a person would try first. Addresses need none. */
async function nameFinding(world: World, urls: readonly string[]): Promise<Finding> {
  const base = { id: "dns", title: "names" };
  const names = [...new Set(urls.map((url) => new URL(url).hostname))].filter((name) => !/^[\d.]+$|^\[/.test(name));
  if (names.length === 0) return { ...base, status: "skipped", detail: "the hubs are named by address" };
  try {
    const looked = await Promise.all(
      names.map(async (name) => ({
        name,
        found:
          (await world.exec.run("doctor.dns", { argv: ["getent", "ahosts", name], env: { LC_ALL: "C" }, timeoutMs: 10_000, outputBytesMax: 16 * 1024 }))
            .code === 0,
      })),
    );
    const lost = looked.filter(({ found }) => !found).map(({ name }) => name);
    if (lost.length === 0) return { ...base, status: "ok", detail: `${names.join(", ")} resolve` };
    return { ...base, status: "fail", detail: `${lost.join(", ")} cannot be resolved`, fix: "Look at /etc/resolv.conf and the route to its name server" };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { ...base, status: "skipped", detail: "getent is not installed" };
  }
}

async function agentFindings(world: World, socketPath: string): Promise<readonly Finding[]> {
  let status: AgentStatus;
  try {
    status = await readAgentStatus(world, socketPath);
  } catch (error) {
    if (!isFault(error)) throw error;
    return [{ id: "agent", title: "agent", status: "fail", detail: error.message, ...(error.remedy === undefined ? {} : { fix: error.remedy }) }];
  }
  const nowMs = world.clock.wallMs();
  const version: Finding =
    status.version === world.self.version
      ? { id: "agent", title: "agent", status: "ok", detail: `felhom ${status.version}, pid ${status.pid}, up ${age(nowMs - status.startedMs)}` }
      : { id: "agent", title: "agent", status: "warn", detail: `runs felhom ${status.version}, this is ${world.self.version}`, fix: "Restart the agent" };
  const sick = status.checks.filter(({ is }) => is === "failed" || is === "unknown");
  const degraded = status.checks.filter(({ name, is }) => is === "degraded" && name !== "link");
  return [
    version,
    pollFinding(status.link, nowMs, age),
    ...sick.map(
      ({ name, because }): Finding => ({ id: `agent.${name}`, title: name, status: "fail", detail: because ?? "", fix: "journalctl -u felhom-agent" }),
    ),
    ...degraded.map(({ name, because }): Finding => ({ id: `agent.${name}`, title: name, status: "warn", detail: because ?? "", fix: "felhom status" })),
  ];
}

async function unitFinding(world: World): Promise<Finding> {
  const base = { id: "unit", title: "unit" };
  try {
    const finished = await world.exec.run("doctor.unit", {
      argv: ["/usr/bin/systemctl", "show", "--property=Id,LoadState,ActiveState,NRestarts", ...UNITS],
      env: { PATH: "/usr/bin:/bin", LC_ALL: "C" },
      timeoutMs: 5_000,
      outputBytesMax: 16 * 1024,
    });
    if (finished.code !== 0) return { ...base, status: "skipped", detail: "there is no systemd here" };
    return { ...base, ...judgeUnits(new TextDecoder().decode(finished.stdout)) };
  } catch (error) {
    if (!isFault(error)) throw error;
    return { ...base, status: "skipped", detail: "there is no systemd here" };
  }
}

function judgeUnits(text: string): Pick<Finding, "status" | "detail" | "fix"> {
  const units = text
    .split("\n\n")
    .map((block) => new Map(block.split("\n").map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)])));
  const loaded = units.filter((unit) => unit.get("LoadState") === "loaded");
  const [unit] = loaded;
  if (unit === undefined) return { status: "skipped", detail: "no felhom unit is installed" };
  const [name = "", state = "", restarts = "0"] = [unit.get("Id"), unit.get("ActiveState"), unit.get("NRestarts")];
  if (state !== "active") return { status: "fail", detail: `${name} is ${state}`, fix: `systemctl start ${name}; journalctl -u ${name}` };
  return { status: "ok", detail: `${name} is active, ${restarts} restarts` };
}

function disk(world: World, dataDir: string): Finding {
  try {
    const free = world.files.freeBytes("doctor.disk", paths(dataDir).bundles);
    return diskFinding(free, byteSize(free));
  } catch (error) {
    if (!isFault(error)) throw error;
    return { id: "disk", title: "disk", status: "skipped", detail: error.message };
  }
}

/** Whoever can write the binary is root on this box. */
function binary(world: World): Finding {
  const [exe] = world.self.exe;
  return look("binary", "binary", () => {
    const stat = world.files.stat("doctor.binary", exe, { follow: true });
    if (stat === undefined) throw new Fault("file_missing", `Cannot find ${exe}`);
    if ((stat.mode & 0o022) !== 0) throw new Fault("file_unsafe", `Cannot trust ${exe}: others can write it`, { remedy: `chmod go-w ${exe}` });
    return `felhom ${world.self.version}, ${exe}`;
  });
}
