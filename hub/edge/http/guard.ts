/**
 * What stands before the routes: whose address this is, how often it may ask, and whether the request's outside is one that we
 * answer at all. Limits count by address only where nobody has shown a credential yet; boxes are limited by identity (`Sync`).
 */
import { Fault } from "../../../shared/core/fault.ts";
import type { Peer } from "../../../shared/ports/net.ts";
import { addressGroup, clientAddress, isLoopback, isTrusted, plainAddress } from "../../core/limits/client-address.ts";
import { ratePerMinute, ratePerSecond } from "../../core/limits/gcra.ts";
import { Limiter } from "../../core/limits/limiter.ts";
import type { HubSettings } from "../../settings.ts";
import type { Clock } from "../../../shared/ports/clock.ts";

/** reg-name, IPv4 or bracketed IPv6, and a port. One of them: a second `host` shows as a comma. */
const HOST = /^(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const OVERRIDES = ["x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"];
/** Blobs: a box fetches a new bundle's files one after the other. */
const HOST_RATE = ratePerSecond(100, 1_000);
const HOSTS_RATE = ratePerSecond(20_000);
const HOSTS_KNOWN_MAX = 64;
/** All strangers together, in multiples of what one may. */
const STRANGERS = 50;

export class Guard {
  readonly #settings: HubSettings;
  readonly #clock: Clock;
  /** Plain HTTP on an address that others can reach. */
  readonly #isFenced: boolean;
  readonly #hosts = new Set<string>();
  readonly #requests: Limiter;
  readonly #refusals: Limiter;
  readonly #enroll: Limiter;
  readonly #ofHosts = new Limiter({ each: HOST_RATE, total: HOSTS_RATE });

  constructor(settings: HubSettings, clock: Clock) {
    const { requestsPerSecondPerAddress, refusalsPerMinutePerAddress, enrollPerMinutePerAddress, enrollPerSecond } = settings.limits;
    this.#settings = settings;
    this.#clock = clock;
    this.#isFenced = settings.tls.use === "none" && !isLoopback(settings.listen.address);
    this.#requests = new Limiter({
      each: ratePerSecond(requestsPerSecondPerAddress, requestsPerSecondPerAddress * 4),
      total: ratePerSecond(requestsPerSecondPerAddress * STRANGERS),
    });
    this.#refusals = new Limiter({ each: ratePerMinute(refusalsPerMinutePerAddress), total: ratePerMinute(refusalsPerMinutePerAddress * STRANGERS) });
    this.#enroll = new Limiter({ each: ratePerMinute(enrollPerMinutePerAddress), total: ratePerSecond(enrollPerSecond, enrollPerSecond * 4) });
  }

  /** The client's, or "unknown" when the connection is already gone. */
  addressOf(request: Request, peer: Peer): string {
    const { trustedProxies } = this.#settings;
    if (trustedProxies.length === 0) return peer.address;
    return clientAddress(peer.address, request.headers.get("x-forwarded-for"), trustedProxies);
  }

  /** Milliseconds to wait, or 0. */
  countRequest(address: string): number {
    return this.#requests.take(addressGroup(address), this.#clock.monoMs());
  }

  countEnroll(address: string): number {
    return this.#enroll.take(addressGroup(address), this.#clock.monoMs());
  }

  /** A box with its credential counts under its own name: thousands may share one address behind a NAT. */
  countHost(hostId: string): number {
    return this.#ofHosts.take(hostId, this.#clock.monoMs());
  }

  /** A wrong credential or an unknown path. */
  countRefusal(address: string): number {
    return this.#refusals.take(addressGroup(address), this.#clock.monoMs());
  }

  get refused(): { readonly requests: number; readonly refusals: number; readonly enroll: number; readonly hosts: number } {
    return { hosts: this.#ofHosts.refused, requests: this.#requests.refused, refusals: this.#refusals.refused, enroll: this.#enroll.refused };
  }

  /** What is wrong with the request line and the headers that steer, if anything. */
  check(request: Request, peer: Peer): Fault | undefined {
    if (!this.isOneHost(request)) return new Fault("bad_request", "Cannot answer: the request must name one host");
    if (!METHODS.includes(request.method)) return new Fault("method_not_allowed", `Cannot answer: ${request.method.slice(0, 16)} is not a method of this hub`);
    if (OVERRIDES.some((header) => request.headers.has(header)))
      return new Fault("bad_request", "Cannot answer: a header asks for another method or path than the request line");
    if (!isPlainPath(pathOf(request.url))) return new Fault("not_found", "Cannot answer: there is no such path");
    return this.checkPeer(peer);
  }

  /** Named once, and in a form that a name can have. Those that were right before are remembered: this is asked of every sync. */
  isOneHost(request: Request): boolean {
    const host = request.headers.get("host");
    if (host === null) return false;
    if (this.#hosts.has(host)) return true;
    if (!HOST.test(host)) return false;
    if (this.#hosts.size < HOSTS_KNOWN_MAX) this.#hosts.add(host);
    return true;
  }

  /** Behind a proxy, plain HTTP is for the proxy (and this machine) only. */
  checkPeer(peer: Peer): Fault | undefined {
    if (!this.#isFenced) return undefined;
    const { trustedProxies } = this.#settings;
    const address = plainAddress(peer.address) ?? peer.address;
    return isLoopback(address) || isTrusted(address, trustedProxies)
      ? undefined
      : new Fault("denied", "Cannot answer: this hub speaks plain HTTP to its proxy only");
  }
}

/** Everything from the first slash after the authority to the query. */
export function pathOf(url: string): string {
  const scheme = url.indexOf("://");
  const from = scheme < 0 ? 0 : url.indexOf("/", scheme + 3);
  const query = url.indexOf("?", from);
  return url.slice(from, query < 0 ? undefined : query);
}

/** One spelling per path: nothing encoded, doubled, or ending in a slash. */
export function isPlainPath(path: string): boolean {
  return /^(?:\/|(?:\/[A-Za-z0-9._~-]+)+)$/.test(path);
}
