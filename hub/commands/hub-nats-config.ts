/** Writes what a nats-server of this hub reads, and says what to do next. Nothing of the fleet depends on it: without NATS everything goes by sync. */
import { byteSize } from "../../shared/cli/age.ts";
import type { Call, Run } from "../../shared/cli/command.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { isUsableNatsUrl } from "../../shared/protocol/nats-urls.ts";
import { natsCertificate, natsServerConfig, type ServerPlace } from "../edge/nats/server-config.ts";
import { absolute, existingDataDir, textOption } from "./place.ts";

const GIB = 1024 ** 3;
const DISK_GIB_MAX = 1_024;
const CLUSTER_PORT = 6_222;
const CLIENT_PORT = 4_222;

export const run: Run = async (call) => {
  const dataDir = await existingDataDir(call);
  const out = textOption(call, "out");
  const path = out === undefined ? undefined : absolute(call, out);
  const hostnames = hostnamesOf(call);
  const place = placeOf(call, hostnames);
  if (call.globals.dryRun) {
    present(call, {
      kind: "NatsConfig",
      data: { dryRun: true, path: path ?? null },
      human: () => `  Would write a nats-server configuration to ${path ?? "stdout"}.`,
    });
    return 0;
  }
  const tls = await tlsOf(call, dataDir, hostnames);
  const text = natsServerConfig(call.world, dataDir, { ...place, ...(tls === undefined ? {} : { tls }) });
  if (path !== undefined) durableWrite(call.world.files, call.world.crypto, "nats.config", path, utf8(text), { mode: 0o640 });
  const urls = (tls === undefined ? ["127.0.0.1"] : hostnames).map((name) => `${tls === undefined ? "nats" : "tls"}://${name}:${place.port}`);
  present(call, {
    kind: "NatsConfig",
    data: {
      path: path ?? null,
      config: path === undefined ? text : null,
      certificate: tls?.certPath ?? null,
      key: tls?.keyPath ?? null,
      urls,
      diskBytes: place.diskBytes,
    },
    human: () => (path === undefined ? text.trimEnd() : `  ${path} is a configuration for nats-server, with ${byteSize(place.diskBytes)} for streams.`),
  });
  hint(call, whatNext({ path, tls, urls, dataDir, storeDir: place.storeDir }));
  return 0;
};

function placeOf(call: Call, hostnames: readonly string[]): Omit<ServerPlace, "tls"> {
  const [address, port] = listenOf(call);
  const diskGib = Number(textOption(call, "disk-gib") ?? "4");
  if (!Number.isInteger(diskGib) || diskGib < 1 || diskGib > DISK_GIB_MAX)
    throw new Fault("bad_request", `Cannot use --disk-gib: it is a whole number from 1 to ${DISK_GIB_MAX}`);
  const serverName = textOption(call, "name") ?? hostnames[0] ?? "nats-1";
  if (!/^[A-Za-z0-9._-]{1,64}$/.test(serverName)) throw new Fault("bad_request", "Cannot use --name: letters, digits, dots and dashes, at most 64");
  return { serverName, address, port, storeDir: textOption(call, "store-dir") ?? "/var/lib/nats", diskBytes: diskGib * GIB, ...clusterOf(call) };
}

function listenOf(call: Call): readonly [string, number] {
  const plain = call.options["plain"] === true;
  const given = textOption(call, "listen") ?? (plain ? `127.0.0.1:${CLIENT_PORT}` : `0.0.0.0:${CLIENT_PORT}`);
  const match = /^(.+):(\d{1,5})$/.exec(given);
  const [, address = "", port = ""] = match ?? [];
  if (match === null || Number(port) > 65_535) throw new Fault("bad_request", `Cannot listen on ${given}: it is not address:port`);
  if (plain && !isUsableNatsUrl(`nats://${address}:${port}`))
    throw new Fault("bad_request", `Cannot listen on ${given} without TLS: only this machine may be spoken to in plain text`, {
      remedy: "leave --plain away, or listen on 127.0.0.1",
    });
  return [address, Number(port)];
}

function hostnamesOf(call: Call): readonly string[] {
  const given = call.options["hostname"];
  const names = typeof given === "string" ? [given] : Array.isArray(given) ? given.map(String) : [];
  if (names.length === 0 && call.options["plain"] !== true)
    throw new Fault("bad_request", "Cannot write a configuration: nothing says by which name the boxes reach the server", {
      remedy: "name it with --hostname nats.example.org, once per server; or --plain for a server on this machine alone",
    });
  return names;
}

function clusterOf(call: Call): Pick<ServerPlace, "cluster"> {
  const given = call.options["route"];
  const routes = typeof given === "string" ? [given] : Array.isArray(given) ? given.map(String) : [];
  if (routes.length === 0) return {};
  const bad = routes.find((route) => !/^[A-Za-z0-9.-]{1,253}(?::\d{1,5})?$/.test(route));
  if (bad !== undefined) throw new Fault("bad_request", `Cannot use the route ${bad}: it is host or host:port`);
  return {
    cluster: {
      name: "felhom",
      address: "0.0.0.0",
      port: CLUSTER_PORT,
      routes: routes.map((route) => `nats-route://${route.includes(":") ? route : `${route}:${CLUSTER_PORT}`}`),
    },
  };
}

async function tlsOf(call: Call, dataDir: string, hostnames: readonly string[]): Promise<ServerPlace["tls"]> {
  if (call.options["plain"] === true) return undefined;
  const [cert, key] = [textOption(call, "tls-cert"), textOption(call, "tls-key")];
  if ((cert === undefined) !== (key === undefined)) throw new Fault("bad_request", "Cannot use one of --tls-cert and --tls-key without the other");
  if (cert !== undefined && key !== undefined) return { certPath: absolute(call, cert), keyPath: absolute(call, key) };
  return natsCertificate(call.world, dataDir, hostnames);
}

interface Written {
  readonly path: string | undefined;
  readonly tls: ServerPlace["tls"];
  readonly urls: readonly string[];
  readonly dataDir: string;
  readonly storeDir: string;
}

function whatNext({ path, tls, urls, storeDir }: Written): string {
  const config = path ?? "/etc/nats-server.conf";
  return [
    "  Next:",
    `  1. On each NATS machine: install nats-server (2.9 or later) and this file as ${config}; its user must own ${storeDir}.`,
    ...(tls === undefined ? [] : [`     It reads ${tls.certPath} and ${tls.keyPath}: copy both when it runs elsewhere, and change the two paths.`]),
    `  2. nats-server -c ${config} -t, then start it.`,
    `  3. In the hub's settings: nats_urls: [${urls.join(", ")}], then restart the hub.`,
    "  4. felhom hub status shows the stream; felhom host spec NAME --nats attaches a box.",
  ].join("\n");
}
