/**
 * A configuration for nats-server, 2.9 and later (docs.nats.io, "Configuration"; every option here is one that 2.9.10 knows, and a test
 * starts one with it). Operator mode with the accounts written into the file (`resolver: MEMORY`): the server needs no other
 * service, holds no private key of ours, and learns of a new host from the host's own signed token.
 */
export interface ServerConfig {
  /** Unique in the cluster. */
  readonly serverName: string;
  readonly address: string;
  readonly port: number;
  readonly storeDir: string;
  readonly diskBytes: number;
  readonly tls?: { readonly certPath: string; readonly keyPath: string };
  /** Absent: one server. */
  readonly cluster?: { readonly name: string; readonly address: string; readonly port: number; readonly routes: readonly string[] };
  readonly operatorJwt: string;
  readonly system: { readonly publicText: string; readonly jwt: string };
  readonly account: { readonly publicText: string; readonly jwt: string };
}

/** An op with its signatures is at most two thirds of this. */
export const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
const PENDING_BYTES_MAX = 64 * 1024 * 1024;

export function serverConfigText(config: ServerConfig): string {
  const { tls, cluster } = config;
  return `# nats-server configuration for felhom. It holds no private key. Made by: felhom hub nats-config
server_name: ${quoted(config.serverName)}
listen: ${quoted(`${config.address}:${config.port}`)}
# For health checks and metrics on this machine:
# http: "127.0.0.1:8222"
max_payload: ${MESSAGE_BYTES_MAX}
max_pending: ${PENDING_BYTES_MAX}
max_control_line: 4096
ping_interval: "30s"
ping_max: 3
write_deadline: "10s"
${tls === undefined ? "# No TLS: for a hub and boxes on this very machine only. Boxes refuse to speak over a network without it.\n" : tlsText(tls)}
jetstream {
  store_dir: ${quoted(config.storeDir)}
  max_file_store: ${config.diskBytes}
  max_memory_store: 0
}
${cluster === undefined ? "" : clusterText(cluster, tls)}
operator: ${config.operatorJwt}
system_account: ${config.system.publicText}
resolver: MEMORY
resolver_preload: {
  ${config.system.publicText}: ${config.system.jwt}
  ${config.account.publicText}: ${config.account.jwt}
}
`;
}

function tlsText({ certPath, keyPath }: NonNullable<ServerConfig["tls"]>): string {
  return `tls {
  cert_file: ${quoted(certPath)}
  key_file: ${quoted(keyPath)}
  timeout: 5
}
`;
}

function clusterText({ name, address, port, routes }: NonNullable<ServerConfig["cluster"]>, tls: ServerConfig["tls"]): string {
  return `
cluster {
  name: ${quoted(name)}
  listen: ${quoted(`${address}:${port}`)}
  routes: [${routes.map(quoted).join(", ")}]
${
  tls === undefined
    ? ""
    : `  tls {
    cert_file: ${quoted(tls.certPath)}
    key_file: ${quoted(tls.keyPath)}
    ca_file: ${quoted(tls.certPath)}
    verify: true
    timeout: 5
  }
`
}}
`;
}

/** JSON's strings are strings of NATS's configuration language too. */
const quoted = (text: string): string => JSON.stringify(text);
