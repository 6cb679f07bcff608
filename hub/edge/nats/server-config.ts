/** Puts together what a nats-server of this hub reads, and where its certificate lies. */
import { X509Certificate } from "node:crypto";
import { fromUtf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import { accountJwt, operatorJwt } from "../../core/nats/jwt.ts";
import { type ServerConfig, serverConfigText } from "../../core/nats/server-config.ts";
import { ownTls } from "../tls/own-certificate.ts";
import { natsDir, natsKeys } from "./keys.ts";

export type ServerPlace = Omit<ServerConfig, "operatorJwt" | "system" | "account">;

const NO_LIMIT = -1;
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:.]*)$/i;
const CA_BYTES_MAX = 256 * 1024;

/** The text of a configuration file. Makes the account's keys when there are none yet. */
export function natsServerConfig(world: World, dataDir: string, place: ServerPlace): string {
  const { operator, account, signing, system } = natsKeys(world, dataDir);
  const nowMs = world.clock.wallMs();
  return serverConfigText({
    ...place,
    operatorJwt: operatorJwt(operator, system, nowMs),
    system: {
      publicText: system.publicText,
      jwt: accountJwt(operator, system, { name: "system", limits: { diskBytes: 0, connections: NO_LIMIT }, nowMs }),
    },
    account: {
      publicText: account.publicText,
      jwt: accountJwt(operator, account, { name: "felhom", signing, limits: { diskBytes: place.diskBytes, connections: NO_LIMIT }, nowMs }),
    },
  });
}

/** A certificate of the hub's own making for its NATS servers; boxes are given it together with their credentials. */
export async function natsCertificate(
  world: World,
  dataDir: string,
  hostnames: readonly string[],
): Promise<{ readonly certPath: string; readonly keyPath: string }> {
  natsKeys(world, dataDir); // makes the directory
  const { certPem } = await ownTls(world, natsDir(dataDir), hostnames, { asClient: true });
  const certificate = new X509Certificate(certPem);
  const missing = hostnames.find((name) => (ADDRESS.test(name) ? certificate.checkIP(name) : certificate.checkHost(name)) === undefined);
  if (missing !== undefined) {
    throw new Fault("conflict", `Cannot use the certificate in ${natsDir(dataDir)}/tls for ${missing}: it was made for other names`, {
      remedy: `Remove ${natsDir(dataDir)}/tls/cert.pem and run this again with every server's name; then restart the hub, and give the new file to all NATS servers`,
    });
  }
  return { certPath: `${natsDir(dataDir)}/tls/cert.pem`, keyPath: `${natsDir(dataDir)}/tls/key.pem` };
}

/** What boxes and hub check the server's certificate against: the named file, else the hub's own for NATS, else the system's authorities. */
export function natsCaPem(world: World, dataDir: string, named: string): string | undefined {
  const path = named !== "" ? named : `${natsDir(dataDir)}/tls/cert.pem`;
  if (named === "" && world.files.stat("nats.ca", path) === undefined) return undefined;
  return fromUtf8(world.files.read("nats.ca", path, { bytesMax: CA_BYTES_MAX, follow: true }));
}
