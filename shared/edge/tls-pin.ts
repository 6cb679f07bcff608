/**
 * HTTPS to a server that is known by the hash of its public key. Bun's fetch never calls `checkServerIdentity` when
 * `rejectUnauthorized` is false (measured), so pinning takes two steps: look at the certificate over a connection that carries
 * nothing, compare the SHA-256 of its SubjectPublicKeyInfo with the pins, then fetch with exactly that certificate as the only
 * authority and compare again in the callback. The certificate is remembered per origin and set of pins, for this process.
 * A certificate that somebody else issued is checked against the system's authorities and the pin, both.
 */
import { Fault } from "../core/fault.ts";
import { KeptConnection } from "./kept-connection.ts";
import { pinOf } from "./spki.ts";

const REMEMBERED_MAX = 16;

/** What was seen and matched, for as long as its owner keeps it. */
export type PinMemory = Map<string, Remembered>;

interface Remembered {
  readonly tls: BunFetchRequestInitTLS;
  /** Where the certificate alone says all that the pin does: its own authority, and made out to this very name. */
  readonly kept: KeptConnection | undefined;
}

export interface PinnedTls extends Remembered {
  readonly wasCached: boolean;
  forget(): void;
}

export async function pinnedTls(remembered: PinMemory, url: string, pins: readonly string[], stop: AbortSignal): Promise<PinnedTls> {
  const { origin, hostname, port } = new URL(url);
  const key = `${origin} ${pins.join(" ")}`;
  const forget = (): void => void remembered.delete(key);
  const known = remembered.get(key);
  if (known !== undefined) return { ...known, wasCached: true, forget };
  const host = hostname.replace(/^\[|\]$/g, "");
  const certificate = await peerCertificate(host, port === "" ? 443 : Number(port), stop);
  if (!pins.includes(pinOf(certificate.raw))) throw wrongKey(origin);
  const tls: BunFetchRequestInitTLS = {
    ...(certificate.selfIssued ? { ca: pemOf(certificate.raw) } : {}),
    checkServerIdentity: (_host, peer) => (pins.includes(pinOf(peer.raw)) ? undefined : wrongKey(origin)),
  };
  // Bun keeps no connection that a callback looked at (measured). Without one it holds the name to the certificate itself.
  const namesIt = certificate.names.some((name) => name === `DNS:${host}` || name === `IP Address:${host}`);
  const kept = certificate.selfIssued && namesIt ? new KeptConnection(pemOf(certificate.raw)) : undefined;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  remembered.set(key, { tls, kept });
  return { tls, kept, wasCached: false, forget };
}

function wrongKey(origin: string): Fault {
  return new Fault("net_tls", `Cannot trust ${origin}: its key is not one that is pinned`, {
    facts: { origin },
    remedy: "Check that this is the right server. If its key was replaced, publish a root with the new pin first.",
  });
}

function pemOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}

/** By Bun's own sockets: node:tls would cost the resident agent 8 MB more (measured). */
async function peerCertificate(host: string, port: number, stop: AbortSignal): Promise<{ raw: Uint8Array; selfIssued: boolean; names: readonly string[] }> {
  const isName = !/^[0-9.]+$|:/.test(host);
  const facts = { host, port };
  let onStop = (): void => undefined;
  let open: { end(): unknown } | undefined;
  try {
    return await new Promise((resolve, reject) => {
      const fail = (cause: unknown): void => reject(new Fault("net_unreachable", `Cannot reach ${host}:${port}: no TLS connection`, { facts, cause }));
      onStop = () => fail(undefined);
      if (stop.aborted) return onStop();
      stop.addEventListener("abort", onStop);
      const socket = {
        open: (opened: { end(): unknown }) => {
          open = opened;
        },
        handshake: (shaken: Bun.Socket) => {
          const peer = shaken.getPeerCertificate();
          if (peer.raw === undefined) reject(new Fault("net_tls", `Cannot trust ${host}:${port}: it showed no certificate`, { facts }));
          else
            resolve({
              raw: new Uint8Array(peer.raw),
              selfIssued: JSON.stringify(peer.subject) === JSON.stringify(peer.issuer),
              names: (peer.subjectaltname ?? "").split(", "),
            });
        },
        data: () => undefined,
        close: () => fail(undefined),
        error: (_socket: Bun.Socket, error: Error) => fail(error),
        connectError: (_socket: Bun.Socket, error: Error) => fail(error),
      };
      Bun.connect({ hostname: host, port, tls: { rejectUnauthorized: false, ...(isName ? { serverName: host } : {}) }, socket }).catch(fail);
    });
  } finally {
    stop.removeEventListener("abort", onStop);
    open?.end();
  }
}
