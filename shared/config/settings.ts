import * as z from "zod/mini";
import { NATS_URL_PATTERN, NATS_URLS_MAX } from "../protocol/nats-urls.ts";
import { field } from "./field.ts";

/** Settings that every long-lived role has. */
export const processFields = {
  logFormat: field(z.enum(["auto", "json", "text"]), "auto", "How log lines look; auto is text on a terminal and JSON elsewhere."),
  logLevel: field(z.enum(["debug", "info", "warn", "error"]), "info", "The least urgent level that is logged."),
};

const MINUTE_MS = 60_000;
const ms = (min: number, max: number) => z.int().check(z.minimum(min), z.maximum(max));
const path = z.string().check(z.regex(/^(\/.*)?$/));
const bytes = (min: number, max: number) => z.int().check(z.minimum(min), z.maximum(max));

export const agentFields = {
  ...processFields,
  dataDir: field(path, "", "Where the agent keeps everything. Empty: /var/lib/felhom as root, ~/.local/share/felhom otherwise."),
  socketPath: field(path, "", "The local socket of `felhom status`. Empty: /run/felhom/agent.sock as root, agent.sock in the data directory otherwise."),
  syncWaitMs: field(ms(0, 55_000), 55_000, "How long a sync asks the hub to hold it when nothing is new."),
  convergeIntervalMs: field(ms(MINUTE_MS, 1_440 * MINUTE_MS), 5 * MINUTE_MS, "Between two converge runs when neither spec nor fleet names an interval."),
  convergeTimeoutMs: field(ms(MINUTE_MS, 1_440 * MINUTE_MS), 60 * MINUTE_MS, "A run that takes longer is ended together with what it started."),
  outboxBytesMax: field(bytes(1024 ** 2, 1024 ** 4), 64 * 1024 ** 2, "All unsent reports together; above it metrics go first, returns never."),
  bundlesKept: field(z.int().check(z.minimum(2), z.maximum(100)), 3, "Bundles kept on disk, the one in force included."),
  diskReserveBytes: field(bytes(0, 1024 ** 4), 64 * 1024 ** 2, "No file is fetched that would leave less than this free."),
  metricsIntervalMs: field(ms(MINUTE_MS, 1_440 * MINUTE_MS), 15 * MINUTE_MS, "How often load, free space and temperatures are sent."),
  factsDirs: field(z.array(path).check(z.maxLength(16)), ["/etc/felhom/facts.d"], "Directories with custom facts."),
};

export const watchdogFields = {
  ...processFields,
  dataDir: field(path, "", "The agent's data directory. Empty: as for the agent."),
  socketPath: field(path, "", "The agent's local socket. Empty: as for the agent."),
};

const address = z.string().check(z.minLength(1), z.maxLength(64));
const rate = z.number().check(z.minimum(0.1), z.maximum(1_000_000));

export const hubFields = {
  ...processFields,
  dataDir: field(path, "", "Where the hub keeps everything. Empty: /var/lib/felhom-hub as root, ~/.local/share/felhom-hub otherwise."),
  address: field(address, "0.0.0.0", "The address to listen on."),
  port: field(z.int().check(z.minimum(0), z.maximum(65_535)), 8_443, "The port to listen on; 0 takes a free one."),
  hostnames: field(z.array(z.string().check(z.maxLength(253))).check(z.maxLength(32)), [], "Names and addresses for the hub's own certificate."),
  tls: field(
    z.enum(["own", "files", "none"]),
    "own",
    "own: key and certificate are made on first start. files: tls_cert and tls_key. none: plain HTTP, on loopback or behind trusted_proxies only.",
  ),
  tlsCert: field(path, "", "PEM certificate chain, with tls: files."),
  tlsKey: field(path, "", "PEM private key, with tls: files."),
  trustedProxies: field(z.array(address).check(z.maxLength(32)), [], "Addresses of proxies whose x-forwarded-for is believed."),
  syncsPerSecond: field(rate, 2_000, "Syncs per second the hub asks for, over all agents; above it their pace is slowed."),
  syncsPerHostPerSecond: field(rate, 5, "Syncs per second from one host before it is told to wait."),
  heldMax: field(z.int().check(z.minimum(0), z.maximum(10_000_000)), 100_000, "Requests held at once; above it agents are given a pace instead."),
  pendingEnrollmentsMax: field(z.int().check(z.minimum(1), z.maximum(1_000_000)), 1_000, "Enrollment requests that may wait for an operator."),
  enrollPerMinutePerAddress: field(rate, 60, "Enrollment requests per minute from one address."),
  enrollPerSecond: field(rate, 50, "Enrollment requests per second, over all addresses."),
  requestsPerSecondPerAddress: field(rate, 50, "Other requests per second from one address."),
  refusalsPerMinutePerAddress: field(rate, 120, "Wrong credentials and unknown paths per minute from one address."),
  staleMs: field(ms(1_000, 1_440 * MINUTE_MS), 3 * MINUTE_MS, "A host is stale when it has not synced for this long."),
  downMs: field(ms(1_000, 10_080 * MINUTE_MS), 10 * MINUTE_MS, "A host is down when it has not synced for this long."),
  natsUrls: field(
    z.array(z.string().check(z.regex(NATS_URL_PATTERN))).check(z.maxLength(NATS_URLS_MAX)),
    [],
    "NATS servers of this hub, as tls://host:port; boxes whose spec names NATS are told them. Empty: no NATS. See `felhom hub nats-config`.",
  ),
  natsCa: field(path, "", "PEM file that the NATS servers' certificates are checked against. Empty: the hub's own for NATS if it made one, else the system's."),
  natsTokenMs: field(
    ms(20_000, 1_440 * MINUTE_MS),
    60 * MINUTE_MS,
    "How long a host's credentials for NATS live; renewed at about half of it. A revoked host is off NATS after this at the latest.",
  ),
  livenessCheckMs: field(ms(100, 10 * MINUTE_MS), 15_000, "How often hosts that became stale or down are looked up."),
};
