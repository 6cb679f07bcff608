import { type LocalPolicy, POLICY_PATH } from "../ops/policy.ts";

/** What `felhom doctor` says: one finding per thing that was looked at, with what to do where something is wrong. Pure: the edge measures. */
export interface Finding {
  /** Stable, for scripts: `clock`, `hub.0.reach`. */
  readonly id: string;
  readonly title: string;
  readonly status: "ok" | "warn" | "fail" | "skipped";
  readonly detail: string;
  readonly fix?: string;
}

export const CLOCK_WARN_MS = 60_000;
export const CLOCK_FAIL_MS = 5 * 60_000;
export const DISK_WARN_BYTES = 512 * 1024 * 1024;
export const POLL_WARN_MS = 10 * 60_000;

export function clockFinding(offsetMs: number | undefined): Finding {
  const base = { id: "clock", title: "clock" };
  if (offsetMs === undefined) return { ...base, status: "skipped", detail: "no hub answered to compare it with" };
  const off = Math.round(Math.abs(offsetMs) / 1_000);
  // An HTTP date has whole seconds: less than two of them is no difference.
  if (off < 2) return { ...base, status: "ok", detail: "as at the hub" };
  const detail = `${off} s ${offsetMs > 0 ? "behind" : "ahead of"} the hub`;
  if (Math.abs(offsetMs) >= CLOCK_FAIL_MS)
    return { ...base, status: "fail", detail, fix: "Set the clock: what is signed is judged by it (timedatectl set-ntp true)" };
  return Math.abs(offsetMs) >= CLOCK_WARN_MS
    ? { ...base, status: "warn", detail, fix: "Let the clock be kept in time (timedatectl set-ntp true)" }
    : { ...base, status: "ok", detail };
}

export interface Reach {
  readonly url: string;
  readonly tookMs: number;
  readonly isPinned: boolean;
  /** `undefined`: it answered. */
  readonly fault?: { readonly code: string; readonly message: string };
}

export function reachFinding(reach: Reach, at: number): Finding {
  const base = { id: `hub.${at}.reach`, title: `hub ${at + 1}` };
  if (reach.fault === undefined)
    return {
      ...base,
      status: "ok",
      detail: `${reach.url} answers in ${Math.round(reach.tookMs)} ms${reach.url.startsWith("https:") ? `, ${reach.isPinned ? "with the pinned key" : "with a valid certificate"}` : ", without TLS on this machine"}`,
    };
  const { code, message } = reach.fault;
  const fix =
    code === "net_tls"
      ? "Ask the operator whether the hub's key was replaced; a new root names the new key (felhom trust show, on the workstation)"
      : code === "net_timeout"
        ? "Look at firewall and route: the box opens the connection, nothing comes in"
        : "Look at the name (getent hosts), the route and the hub itself";
  return { ...base, status: "fail", detail: `${reach.url}: ${code}, ${message}`, fix };
}

export function diskFinding(freeBytes: number, text: string): Finding {
  const base = { id: "disk", title: "disk", detail: `${text} free for the agent` };
  return freeBytes < DISK_WARN_BYTES
    ? { ...base, status: "warn", fix: "Make room: bundles wait when the reserve would be touched" }
    : { ...base, status: "ok" };
}

/** Being offline is a normal state and a finding all the same: whoever runs doctor wants to know. */
export function pollFinding(
  link: { readonly is: string; readonly because?: string | undefined; readonly lastSyncMs?: number | undefined },
  nowMs: number,
  ago: (ms: number) => string,
): Finding {
  const base = { id: "poll", title: "last poll" };
  const last = link.lastSyncMs === undefined ? "never" : `${ago(nowMs - link.lastSyncMs)} ago`;
  switch (link.is) {
    case "connected":
      return nowMs - (link.lastSyncMs ?? 0) > POLL_WARN_MS
        ? { ...base, status: "warn", detail: `${last}, later than it should be`, fix: "Look at the log: journalctl -u felhom-agent" }
        : { ...base, status: "ok", detail: last };
    case "revoked":
      return { ...base, status: "fail", detail: "this box was revoked", fix: "Ask the operator; felhom enroll asks to be taken in again" };
    case "unknown_to_hub":
      return { ...base, status: "fail", detail: "the hub does not know this box", fix: "felhom enroll" };
    case "not_enrolled":
      return { ...base, status: "fail", detail: "not enrolled", fix: "felhom enroll" };
    default:
      return {
        ...base,
        status: "warn",
        detail: `${link.is}${link.because === undefined ? "" : ` (${link.because})`}, last answer ${last}`,
        fix: "What is desired is enforced meanwhile; see the hub findings",
      };
  }
}

/** A policy that can't be read stops every op, and only whoever sends one would be told. */
export function policyFinding(local: LocalPolicy, isThere: boolean): Finding {
  const base = { id: "policy", title: "policy" };
  if (local.is === "damaged")
    return { ...base, status: "fail", detail: `${POLICY_PATH}: ${local.because}; no op is taken`, fix: `Mend ${POLICY_PATH}, or remove it` };
  return { ...base, status: "ok", detail: isThere ? `${POLICY_PATH} is in force` : "none of its own: ops are taken as operators sign them" };
}

export function exitOf(findings: readonly Finding[]): 0 | 1 {
  return findings.some(({ status }) => status === "fail") ? 1 : 0;
}
