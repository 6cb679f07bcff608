/** Addresses of NATS servers, as specs, settings and replies carry them. */
const NATS_URL = /^(?:nats|tls):\/\/(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/;
const LOOPBACK = /^nats:\/\/(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/;

export const NATS_URLS_MAX = 8;
/** A token, a seed, and a chain of certificates. */
export const SEALED_CREDENTIALS_CHARS_MAX = 64 * 1024;
export const NATS_URL_PATTERN = NATS_URL;

/** No user, no path, nothing but a place; and without TLS only on this very machine: what goes over a bus may be read by nobody else. */
export function isUsableNatsUrl(url: string): boolean {
  return NATS_URL.test(url) && (url.startsWith("tls://") || LOOPBACK.test(url));
}

export function usableNatsUrls(urls: readonly string[]): readonly string[] {
  return [...new Set(urls.filter(isUsableNatsUrl))].slice(0, NATS_URLS_MAX);
}
