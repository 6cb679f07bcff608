import type { SettingsOf } from "../shared/config/field.ts";
import type { hubFields } from "../shared/config/settings.ts";
import { Fault } from "../shared/core/fault.ts";
import { isUsableNatsUrl } from "../shared/protocol/nats-urls.ts";

/** What a hub is told before it starts. `main.ts` fills this from flags, environment and the settings file; nothing below reads any of those. */
export interface HubSettings {
  /** Absolute. Holds hub.db, blobs/, tls/, setup-token and the lock. Made 0700 on first start. */
  readonly dataDir: string;
  readonly listen: { readonly address: string; readonly port: number };
  /** Names and addresses that the hub's own certificate is made for. */
  readonly hostnames: readonly string[];
  /** `own`: key and certificate of the data directory, made on first start. `none`: plain HTTP, on loopback or behind a named proxy only. */
  readonly tls: { readonly use: "own" } | { readonly use: "files"; readonly certPath: string; readonly keyPath: string } | { readonly use: "none" };
  /** Addresses of the proxies whose `x-forwarded-for` is believed; empty: no header is. */
  readonly trustedProxies: readonly string[];
  readonly limits: HubLimits;
  /** No URLs: no NATS. Boxes are told these, the hub connects to them. `caPath` empty: see `natsCaPem`. A host's token lives `tokenMs`. */
  readonly nats: { readonly urls: readonly string[]; readonly caPath: string; readonly tokenMs: number };
  readonly liveness: { readonly staleMs: number; readonly downMs: number; readonly checkMs: number };
}

export interface HubLimits {
  /** Syncs per second that the hub asks its agents for, over all of them: more, and `next_ms` spreads them out. */
  readonly syncsPerSecond: number;
  /** Per host; a box that comes more often is told to wait. */
  readonly syncsPerHostPerSecond: number;
  /** Requests held at once; beyond it agents are given a pace instead. */
  readonly heldMax: number;
  /** Enrollment requests waiting for an operator. */
  readonly pendingEnrollmentsMax: number;
  readonly enrollPerMinutePerAddress: number;
  readonly enrollPerSecond: number;
  /** Operator API and everything else without its own rule. */
  readonly requestsPerSecondPerAddress: number;
  /** Wrong credentials and unknown paths, per address. */
  readonly refusalsPerMinutePerAddress: number;
}

export const HUB_DEFAULTS: Omit<HubSettings, "dataDir"> = {
  listen: { address: "0.0.0.0", port: 8443 },
  hostnames: [],
  tls: { use: "own" },
  trustedProxies: [],
  limits: {
    syncsPerSecond: 2_000,
    syncsPerHostPerSecond: 5,
    heldMax: 100_000,
    pendingEnrollmentsMax: 1_000,
    enrollPerMinutePerAddress: 60,
    enrollPerSecond: 50,
    requestsPerSecondPerAddress: 50,
    refusalsPerMinutePerAddress: 120,
  },
  nats: { urls: [], caPath: "", tokenMs: 3_600_000 },
  liveness: { staleMs: 180_000, downMs: 600_000, checkMs: 15_000 },
};

/** From the flat settings (shared/config) to what the services take. Combinations that cannot work are refused here, by name. */
export function hubSettingsFrom(flat: SettingsOf<typeof hubFields>, self: { readonly uid: number }, home: string): HubSettings {
  if (flat.tls === "files" && (flat.tlsCert === "" || flat.tlsKey === "")) {
    throw new Fault("bad_settings", "Cannot use tls: files without tls_cert and tls_key", { remedy: "name both files, or leave tls at own" });
  }
  return {
    dataDir: flat.dataDir !== "" ? flat.dataDir : self.uid === 0 ? "/var/lib/felhom-hub" : `${home}/.local/share/felhom-hub`,
    listen: { address: flat.address, port: flat.port },
    hostnames: flat.hostnames,
    tls: flat.tls === "files" ? { use: "files", certPath: flat.tlsCert, keyPath: flat.tlsKey } : { use: flat.tls },
    trustedProxies: flat.trustedProxies,
    limits: {
      syncsPerSecond: flat.syncsPerSecond,
      syncsPerHostPerSecond: flat.syncsPerHostPerSecond,
      heldMax: flat.heldMax,
      pendingEnrollmentsMax: flat.pendingEnrollmentsMax,
      enrollPerMinutePerAddress: flat.enrollPerMinutePerAddress,
      enrollPerSecond: flat.enrollPerSecond,
      requestsPerSecondPerAddress: flat.requestsPerSecondPerAddress,
      refusalsPerMinutePerAddress: flat.refusalsPerMinutePerAddress,
    },
    nats: { urls: natsUrlsOf(flat.natsUrls), caPath: flat.natsCa, tokenMs: flat.natsTokenMs },
    liveness: { staleMs: flat.staleMs, downMs: flat.downMs, checkMs: flat.livenessCheckMs },
  };
}

function natsUrlsOf(urls: readonly string[]): readonly string[] {
  const unusable = urls.find((url) => !isUsableNatsUrl(url));
  if (unusable !== undefined)
    throw new Fault("bad_settings", `Cannot use ${unusable} as a NATS server: it has no TLS, and is not this machine`, {
      remedy: "name it as tls://host:port",
    });
  return urls;
}
