/** Puts together what a nats-server of this hub reads, and where its certificate lies. */
import { fromUtf8 } from "../../../shared/core/bytes.ts";
import type { World } from "../../../shared/ports/world.ts";
import { accountJwt, operatorJwt } from "../../core/nats/jwt.ts";
import { type ServerConfig, serverConfigText } from "../../core/nats/server-config.ts";
import { ownTls } from "../tls/own-certificate.ts";
import { natsDir, natsKeys } from "./keys.ts";

export type ServerPlace = Omit<ServerConfig, "operatorJwt" | "system" | "account">;

const NO_LIMIT = -1;
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
  await ownTls(world, natsDir(dataDir), hostnames);
  return { certPath: `${natsDir(dataDir)}/tls/cert.pem`, keyPath: `${natsDir(dataDir)}/tls/key.pem` };
}

/** What boxes and hub check the server's certificate against: the named file, else the hub's own for NATS, else the system's authorities. */
export function natsCaPem(world: World, dataDir: string, named: string): string | undefined {
  const path = named !== "" ? named : `${natsDir(dataDir)}/tls/cert.pem`;
  if (named === "" && world.files.stat("nats.ca", path) === undefined) return undefined;
  return fromUtf8(world.files.read("nats.ca", path, { bytesMax: CA_BYTES_MAX, follow: true }));
}
