import type { SettingsOf } from "../shared/config/field.ts";
import type { agentFields } from "../shared/config/settings.ts";

/**
 * What the agent's services need to be told. The settings schema (shared/config) fills this in; nothing here reads a file or
 * the environment. Times are milliseconds, sizes bytes.
 */
export interface AgentSettings {
  /** Everything the agent keeps. Owned by the agent's user, writable by nobody else. */
  readonly dataDir: string;
  /** The local socket that `status`, `doctor` and the watchdog talk to. */
  readonly socketPath: string;
  /** How long a sync asks the hub to hold it when nothing is new. */
  readonly syncWaitMs: number;
  /** Between two converge runs when the spec names no interval. */
  readonly convergeIntervalMs: number;
  /** A run that takes longer is killed together with what it started. */
  readonly convergeTimeoutMs: number;
  /** All of the outbox together. */
  readonly outboxBytesMax: number;
  /** Bundles kept on disk, the one in force included. At least 2: a run may still be reading the one before. */
  readonly bundlesKept: number;
  /** No blob is fetched that would leave less than this free. */
  readonly diskReserveBytes: number;
  readonly metricsIntervalMs: number;
  /** Directories with custom facts. */
  readonly factsDirs: readonly string[];
}

export const AGENT_DEFAULTS = {
  syncWaitMs: 55_000,
  convergeIntervalMs: 5 * 60_000,
  convergeTimeoutMs: 60 * 60_000,
  outboxBytesMax: 64 * 1024 * 1024,
  bundlesKept: 3,
  diskReserveBytes: 64 * 1024 * 1024,
  metricsIntervalMs: 15 * 60_000,
  factsDirs: ["/etc/felhom/facts.d"],
} as const satisfies Partial<AgentSettings>;

/** From the flat settings (shared/config) to what the services take: empty paths get the place that suits the user it runs as. */
export function agentSettingsFrom(flat: SettingsOf<typeof agentFields>, self: { readonly uid: number; readonly gid: number }, home: string): AgentSettings {
  const { dataDir, socketPath } = agentPaths(flat, self, home);
  return {
    dataDir,
    socketPath,
    syncWaitMs: flat.syncWaitMs,
    convergeIntervalMs: flat.convergeIntervalMs,
    convergeTimeoutMs: flat.convergeTimeoutMs,
    outboxBytesMax: flat.outboxBytesMax,
    bundlesKept: flat.bundlesKept,
    diskReserveBytes: flat.diskReserveBytes,
    metricsIntervalMs: flat.metricsIntervalMs,
    factsDirs: flat.factsDirs,
  };
}

/** Also what the watchdog and the box's commands go by. */
export function agentPaths(
  given: { readonly dataDir: string; readonly socketPath: string },
  self: { readonly uid: number },
  home: string,
): { readonly dataDir: string; readonly socketPath: string } {
  const isRoot = self.uid === 0;
  const dataDir = given.dataDir !== "" ? given.dataDir : isRoot ? "/var/lib/felhom" : `${home}/.local/share/felhom`;
  return {
    dataDir,
    socketPath: given.socketPath !== "" ? given.socketPath : isRoot && given.dataDir === "" ? "/run/felhom/agent.sock" : `${dataDir}/agent.sock`,
  };
}
