/**
 * The hub's own TLS key (P-256) and self-signed certificate, made on first start. Boxes and workstations pin the key (SHA-256 of its
 * SubjectPublicKeyInfo), so names and dates in the certificate convince nobody and there is no authority to run. CA:FALSE,
 * because a client that pins by trusting this certificate must not so trust a signer of others.
 */
import { createHash, X509Certificate } from "node:crypto";
import type * as X509 from "@peculiar/x509";
import { Fault } from "../../../shared/core/fault.ts";
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import type { World } from "../../../shared/ports/world.ts";

const PEM_BYTES_MAX = 64 * 1024;
/** Pinned by key, replaced by a new key when it must be: expiry would only be an outage with a date. */
const LIFETIME_MS = 20 * 365 * 24 * 3_600_000;
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:]*)$/i;

export interface TlsFiles {
  readonly certPem: string;
  readonly keyPem: string;
  /** SHA-256 of the SubjectPublicKeyInfo, base64url. */
  readonly pin: string;
}

export function readTls(world: World, certPath: string, keyPath: string): TlsFiles {
  const certPem = fromUtf8(world.files.read("tls.cert", certPath, { bytesMax: PEM_BYTES_MAX, follow: true }));
  const keyPem = fromUtf8(world.files.read("tls.key", keyPath, { bytesMax: PEM_BYTES_MAX, follow: true }));
  return { certPem, keyPem, pin: pinOf(certPem, certPath) };
}

/** Of `tls/` in the data directory; made when nothing is there. One without the other is damage, not a first start. */
export async function ownTls(world: World, dataDir: string, hostnames: readonly string[], uses: Uses = { asClient: false }): Promise<TlsFiles> {
  const dir = `${dataDir}/tls`;
  const [certPath, keyPath] = [`${dir}/cert.pem`, `${dir}/key.pem`];
  if (world.files.stat("tls.dir", dir) === undefined) world.files.makeDir("tls.dir", dir, 0o700);
  const hasCert = world.files.stat("tls.cert", certPath) !== undefined;
  const hasKey = world.files.stat("tls.key", keyPath) !== undefined;
  if (hasCert && !hasKey) throw new Fault("file_missing", `Cannot start: ${keyPath} is gone, and boxes pin that key`, { remedy: "Restore it from a backup" });
  if (!hasCert || !hasKey) {
    const keyPem = hasKey ? fromUtf8(world.files.read("tls.key", keyPath, { bytesMax: PEM_BYTES_MAX })) : undefined;
    const made = await makeCertificate(hostnames, world.clock.wallMs(), world.crypto.randomBytes(16), keyPem, uses);
    // The key first: with it alone the next start goes on from here and the pin stays the same.
    if (keyPem === undefined) durableWrite(world.files, world.crypto, "tls.key", keyPath, utf8(made.keyPem), { mode: 0o600 });
    durableWrite(world.files, world.crypto, "tls.cert", certPath, utf8(made.certPem), { mode: 0o644 });
  }
  return readTls(world, certPath, keyPath);
}

function pinOf(certPem: string, path: string): string {
  try {
    const spki = new X509Certificate(certPem).publicKey.export({ type: "spki", format: "der" });
    return createHash("sha256").update(spki).digest("base64url");
  } catch (error) {
    throw new Fault("bad_settings", `Cannot read the certificate ${path}`, { cause: error });
  }
}

/** Servers of a cluster show their certificate to each other from both ends. */
export interface Uses {
  readonly asClient: boolean;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

async function makeCertificate(
  hostnames: readonly string[],
  nowMs: number,
  serial: Uint8Array,
  keyPem: string | undefined,
  uses: Uses,
): Promise<{ readonly certPem: string; readonly keyPem: string }> {
  // Loaded here only: no later start pays for it.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  x509.cryptoProvider.set(crypto);
  const keys = keyPem === undefined ? await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) : await keysFromPem(x509, keyPem);
  const names = [...new Set(["localhost", "127.0.0.1", "::1", ...hostnames])];
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: `01${Buffer.from(serial).toString("hex")}`,
    name: `CN=felhom hub`,
    // A box without a clock battery starts in 1970 and has to reach its hub all the same; what is trusted is the pinned key.
    notBefore: new Date(0),
    notAfter: new Date(nowMs + LIFETIME_MS),
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, ...(uses.asClient ? [x509.ExtendedKeyUsage.clientAuth] : [])]),
      new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: ADDRESS.test(value) ? "ip" : "dns", value }))),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { certPem: `${certificate.toString("pem")}\n`, keyPem: `${x509.PemConverter.encode(pkcs8, "PRIVATE KEY")}\n` };
}

async function keysFromPem(x509: typeof X509, keyPem: string): Promise<CryptoKeyPair> {
  const [pkcs8] = x509.PemConverter.decode(keyPem);
  if (pkcs8 === undefined) throw new Fault("bad_settings", "Cannot read the hub's TLS key: it is not PEM");
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, ALGORITHM, true, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", privateKey);
  if (kty === undefined || crv === undefined || x === undefined || y === undefined)
    throw new Fault("bad_settings", "Cannot read the hub's TLS key: it is no P-256 key");
  const publicKey = await crypto.subtle.importKey("jwk", { kty, crv, x, y }, ALGORITHM, true, ["verify"]);
  return { privateKey, publicKey };
}
