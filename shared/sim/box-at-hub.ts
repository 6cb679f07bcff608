/**
 * A hub, one box that knows it, and the operator between them: what the tests of `tests/` begin with.
 *
 *     const at = await boxAtHub();
 *     await at.enrolled();  at.box.start();  await at.publish(1, at.fleet("hello\n"));
 */
import { existsSync, readFileSync } from "node:fs";
import { utf8 } from "../core/bytes.ts";
import { sha256Hex } from "../core/sha256.ts";
import type { Envelope } from "../protocol/fields.ts";
import type { FactsReport, Report } from "../protocol/report.ts";
import { type HostIdentity, verifyHostCert } from "../trust/host-identity.ts";
import { encodeJoinCode } from "../trust/join-code.ts";
import { hostCertPayload } from "../trust/payloads.ts";
import { verifyHostSigned } from "../trust/report.ts";
import { signPayload } from "../trust/sign-payload.ts";
import { testAgent, type TestAgent } from "./test-agent.ts";
import { valueOf } from "./test-fleet.ts";
import { type TestHub, testHub } from "./test-hub.ts";

type Files = Readonly<Record<string, string>>;

export interface BoxAtHub {
  readonly hub: TestHub;
  readonly box: TestAgent;
  /** The token of an admin's session. */
  readonly admin: string;
  join(): string;
  /** The operator says yes: signs a certificate over the keys that the box showed. */
  approve(): Promise<void>;
  enrolled(): Promise<void>;
  publish(version: number, files: Files): Promise<void>;
  /** One file on the box, and what it shall hold. */
  fleet(content: string): Files;
  /** What that file holds now. */
  motd(): string | undefined;
  /** The newest report and facts that the hub has, verified. */
  hostReport(): Promise<Report>;
  hostFacts(): Promise<FactsReport>;
  hostId(): string;
}

export async function boxAtHub(): Promise<BoxAtHub> {
  const hub = await testHub();
  const admin = await hub.logIn();
  const box = await testAgent(hub, "box-1");
  const at: BoxAtHub = {
    hub,
    box,
    admin,
    join: () => encodeJoinCode({ fleetId: hub.fleet.root.payload.fleet_id, rootHash: hub.fleet.root.hash, pins: [] }),
    approve: () => approve(at),
    enrolled: async () => {
      const asked = await box.enroll(at.join(), { wait: false });
      if (asked.is !== "pending") throw new Error(JSON.stringify(asked));
      await at.approve();
      const told = await box.enroll(undefined);
      if (told.is !== "enrolled" || told.name !== "box-1") throw new Error(JSON.stringify(told));
    },
    publish: (version, files) => publish(at, version, files),
    fleet: (content) => ({
      "fleet.yaml": "name: test\n",
      "targets.yaml": '- match: "true"\n  states: [base]\n',
      "states/base.yaml": `${hub.world.dir}/motd:\n  file:\n    content: ${JSON.stringify(content)}\n    mode: "0644"\n`,
    }),
    motd: () => (existsSync(`${hub.world.dir}/motd`) ? readFileSync(`${hub.world.dir}/motd`, "utf8") : undefined),
    hostReport: async () => valueOf(verifyHostSigned("report", ...(await signed(at, "report")))),
    hostFacts: async () => valueOf(verifyHostSigned("facts", ...(await signed(at, "facts")))),
    hostId: () => JSON.parse(readFileSync(`${box.dataDir}/identity/membership.json`, "utf8")).host_id,
  };
  return at;
}

async function signed({ hub, admin, ...at }: BoxAtHub, kind: "report" | "facts"): Promise<readonly [Envelope, HostIdentity]> {
  const { [kind]: told, host_cert } = (await hub.ask("GET", `/api/v1/hosts/${at.hostId()}`, { token: admin })).json.item;
  return [told, valueOf(verifyHostCert(host_cert, hub.fleet.root))];
}

async function approve({ hub, admin }: BoxAtHub): Promise<void> {
  const { items } = (await hub.ask("GET", "/api/v1/enrollments?state=pending", { token: admin })).json;
  const { request_id, host_id, statement } = items[0];
  const { signing_key, box_key } = JSON.parse(statement);
  const host_cert = signPayload(
    "host-cert",
    hostCertPayload,
    {
      v: 1,
      fleet_id: hub.fleet.root.payload.fleet_id,
      host_id,
      serial: 1,
      name: "box-1",
      labels: {},
      signing_key,
      box_key,
      created_at: hub.world.clock.wallMs(),
    },
    [hub.fleet.key],
  );
  const reply = await hub.ask("POST", `/api/v1/enrollments/${request_id}/approve`, { token: admin, body: { host_cert } });
  if (reply.status !== 200) throw new Error(reply.text);
}

async function publish({ hub, admin }: BoxAtHub, version: number, files: Files): Promise<void> {
  for (const text of Object.values(files)) await hub.ask("PUT", `/api/v1/blobs/${sha256Hex(utf8(text))}`, { token: admin, bytes: utf8(text) });
  const nowMs = hub.world.clock.wallMs();
  const reply = await hub.ask("POST", "/api/v1/bundles", {
    token: admin,
    body: { envelope: hub.fleet.bundle(version, files, { created_at: nowMs, expires_at: nowMs + 30 * 86_400_000 }) },
  });
  if (reply.status >= 300) throw new Error(reply.text);
}
