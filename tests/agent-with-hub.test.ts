/** The agent's composition against the real hub: from enrollment to a report, and through what goes wrong on the way. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { utf8 } from "../shared/core/bytes.ts";
import { sha256Hex } from "../shared/core/sha256.ts";
import { encodeJoinCode } from "../shared/trust/join-code.ts";
import { verifyHostSigned } from "../shared/trust/report.ts";
import { verifyHostCert } from "../shared/trust/host-identity.ts";
import { testAgent, type TestAgent } from "../shared/sim/test-agent.ts";
import { signPayload } from "../shared/trust/sign-payload.ts";
import { grantIdOf } from "../shared/trust/grant-id.ts";
import { spellKey } from "../shared/trust/keys.ts";
import { grantPayload, hostCertPayload } from "../shared/trust/payloads.ts";
import { type TestHub, testHub } from "../shared/sim/test-hub.ts";
import { testKey, valueOf } from "../shared/sim/test-fleet.ts";

let hub: TestHub;
let box: TestAgent;
let admin: string;

beforeEach(async () => {
  hub = await testHub();
  admin = await hub.logIn();
  box = await testAgent(hub, "box-1");
});
afterEach(() => hub[Symbol.dispose]());

const join = (): string => encodeJoinCode({ fleetId: hub.fleet.root.payload.fleet_id, rootHash: hub.fleet.root.hash, pins: [] });

/** The operator says yes: signs a certificate over the keys that the box showed. */
async function approve(name = "box-1", labels: Readonly<Record<string, string>> = {}): Promise<void> {
  const { items } = (await hub.ask("GET", "/api/v1/enrollments?state=pending", { token: admin })).json;
  const { request_id, host_id, statement } = items[0];
  const { signing_key, box_key } = JSON.parse(statement);
  const host_cert = signPayload(
    "host-cert",
    hostCertPayload,
    { v: 1, fleet_id: hub.fleet.root.payload.fleet_id, host_id, serial: 1, name, labels, signing_key, box_key, created_at: hub.world.clock.wallMs() },
    [hub.fleet.key],
  );
  const reply = await hub.ask("POST", `/api/v1/enrollments/${request_id}/approve`, { token: admin, body: { host_cert } });
  if (reply.status !== 200) throw new Error(reply.text);
}

async function enrolled(): Promise<void> {
  const asked = await box.enroll(join(), { wait: false });
  expect(asked.is).toBe("pending");
  await approve();
  expect(await box.enroll(undefined)).toMatchObject({ is: "enrolled", name: "box-1" });
}

async function publish(version: number, files: Readonly<Record<string, string>>): Promise<void> {
  for (const text of Object.values(files)) await hub.ask("PUT", `/api/v1/blobs/${sha256Hex(utf8(text))}`, { token: admin, bytes: utf8(text) });
  const nowMs = hub.world.clock.wallMs();
  const reply = await hub.ask("POST", "/api/v1/bundles", {
    token: admin,
    body: { envelope: hub.fleet.bundle(version, files, { created_at: nowMs, expires_at: nowMs + 30 * 86_400_000 }) },
  });
  if (reply.status >= 300) throw new Error(reply.text);
}

const fleet = (content: string): Readonly<Record<string, string>> => ({
  "fleet.yaml": "name: test\n",
  "targets.yaml": '- match: "true"\n  states: [base]\n',
  "states/base.yaml": `${hub.world.dir}/motd:\n  file:\n    content: ${JSON.stringify(content)}\n    mode: "0644"\n`,
});
const motd = (): string | undefined => (existsSync(`${hub.world.dir}/motd`) ? readFileSync(`${hub.world.dir}/motd`, "utf8") : undefined);
const detail = async () => (await hub.ask("GET", `/api/v1/hosts/${hostId()}`, { token: admin })).json.item;
const hostReport = async () => {
  const { report, host_cert } = await detail();
  return valueOf(verifyHostSigned("report", report, valueOf(verifyHostCert(host_cert, hub.fleet.root))));
};
const hostId = (): string => JSON.parse(readFileSync(`${box.dataDir}/identity/membership.json`, "utf8")).host_id;

describe("an agent and its hub", () => {
  test("enroll, approve, publish, converge, report", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    expect(motd()).toBe("hello\n");
    expect(await hostReport()).toMatchObject({ bundle: 1, mode: "enforce", source: "database", counts: { changed: 1 } });
    const { facts, host_cert } = await detail();
    expect(valueOf(verifyHostSigned("facts", facts, valueOf(verifyHostCert(host_cert, hub.fleet.root)))).facts).toHaveProperty("kernel");
    expect((await box.stop()).because).toBe("stopped");
  });

  test("a held sync brings a new bundle at once, and deletions propagate", async () => {
    await enrolled();
    box.start();
    await publish(1, { ...fleet("one\n"), "files/old": "old\n" });
    await box.until((status) => status.converge.last?.bundle === 1);
    expect(existsSync(`${box.dataDir}/bundle/current/files/old`)).toBe(true);
    await publish(2, fleet("two\n"));
    await box.until((status) => status.converge.last?.bundle === 2, 10_000);
    expect(motd()).toBe("two\n");
    expect(existsSync(`${box.dataDir}/bundle/current/files/old`)).toBe(false);
    expect(existsSync(`${box.dataDir}/bundle/1/files/old`)).toBe(true);
    expect(readdirSync(`${box.dataDir}/blobs`).flatMap((dir) => readdirSync(`${box.dataDir}/blobs/${dir}`))).toEqual([]);
    await box.stop();
  });

  test("without a hub it mends drift, is ready, and tells everything when the hub is back", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    box.online = false;
    await box.until(({ link }) => link.is === "offline");
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    await box.until(({ outbox }) => outbox.rows > 0, 20 * 60_000);
    expect(motd()).toBe("hello\n");
    expect((await box.ask("GET", "/readyz")).status).toBe(200);
    box.online = true;
    await box.until(({ link, outbox }) => link.is === "connected" && outbox.rows === 0, 10 * 60_000);
    expect(await hostReport()).toMatchObject({ trigger: "interval", counts: { changed: 1 } });
    await box.stop();
  });

  test("it starts and enforces with no hub at all", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await box.stop();
    box.online = false;
    rmSync(`${hub.world.dir}/motd`);
    box.start();
    expect((await box.until((status) => status.converge.last?.trigger === "boot")).desired.source).toBe("database");
    expect(motd()).toBe("hello\n");
    await box.stop();
  });

  test("with a damaged database it enforces from the snapshot, says so, keeps the damaged file, and is whole again after", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await box.stop();
    writeFileSync(`${box.dataDir}/agent.db`, "not a database at all, and long enough to be looked at as one ".repeat(40));
    rmSync(`${hub.world.dir}/motd`);
    box.start();
    const status = await box.until(({ converge, outbox }) => converge.last?.trigger === "boot" && outbox.rows === 0);
    expect(motd()).toBe("hello\n");
    expect(status.converge.last).toMatchObject({ source: "snapshot", bundle: 1 });
    expect(status.checks.find(({ name }) => name === "store")).toMatchObject({ is: "degraded" });
    expect(readdirSync(box.dataDir).some((name) => name.startsWith("agent.db.damaged-"))).toBe(true);
    expect(await hostReport()).toMatchObject({ source: "snapshot", bundle: 1 });
    await box.ask("POST", "/converge");
    await box.until(({ converge, outbox }) => converge.last?.trigger === "demand" && outbox.rows === 0);
    expect(await hostReport()).toMatchObject({ source: "database", bundle: 1 });
    await box.stop();
  });

  test("with a damaged snapshot it enforces from the database, says so, and writes the snapshot anew", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await box.stop();
    const snapshot = readFileSync(`${box.dataDir}/snapshot.msgpack`);
    snapshot[100] = (snapshot[100] ?? 0) ^ 1;
    writeFileSync(`${box.dataDir}/snapshot.msgpack`, snapshot);
    box.start();
    await box.until((status) => status.converge.last?.trigger === "boot");
    expect((await box.status()).desired.source).toBe("database");
    expect(box.logged.filter(({ event }) => event === "desired.damaged").map((line) => String(line.facts?.["note"]))[0]).toContain(
      "snapshot.msgpack is damaged",
    );
    await box.ask("POST", "/converge");
    expect((await box.until((status) => status.converge.last?.trigger === "demand")).desired.notes).toEqual([]);
    await box.stop();
  });

  test("with both damaged it keeps running, says so, and asks the hub anew", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await box.stop();
    for (const name of ["agent.db", "snapshot.msgpack"]) writeFileSync(`${box.dataDir}/${name}`, "x".repeat(8_192));
    box.online = false;
    box.start();
    const lost = await box.until((status) => status.converge.last !== undefined);
    expect(lost.desired).toMatchObject({ source: "none", bundle: 0, root: 0 });
    expect(lost.converge.last?.degraded).toContain("lost");
    box.online = true;
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0, 20 * 60_000);
    expect((await box.status()).desired).toMatchObject({ root: 1, cert: 1, bundle: 1, generation: 1 });
    await box.stop();
  });

  test("a data directory put back to an older copy is seen by the hub, and loses no report", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await box.stop();
    copyFileSync(`${box.dataDir}/agent.db`, `${hub.world.dir}/old.db`);
    for (const run of [1, 2]) {
      box.start();
      await box.until((status) => status.converge.last?.trigger === "boot" && status.run > run && status.outbox.rows === 0);
      await box.stop();
    }
    copyFileSync(`${hub.world.dir}/old.db`, `${box.dataDir}/agent.db`);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${box.dataDir}/agent.db${suffix}`, { force: true });
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    box.start();
    await box.until((status) => status.converge.last?.counts.changed === 1 && status.outbox.rows === 0);
    expect(await hostReport()).toMatchObject({ counts: { changed: 1 } });
    const { items } = (await hub.ask("GET", "/api/v1/events?kind=host.rolled-back", { token: admin })).json;
    expect(items).toHaveLength(1);
    await box.stop();
  });

  test("a bundle that does not render leaves the last good resources in force and shows degraded", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await publish(2, { ...fleet("two\n"), "states/base.yaml": "this: is: not: yaml\n" });
    const status = await box.until((now) => now.converge.last?.refused !== undefined && now.outbox.rows === 0);
    expect(status.converge.last).toMatchObject({ bundle: 1, refused: { bundle: 2, code: "render_failed" } });
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    await box.ask("POST", "/converge");
    await box.until((now) => now.converge.last?.trigger === "demand" && now.outbox.rows === 0);
    expect(motd()).toBe("hello\n");
    expect(await hostReport()).toMatchObject({ bundle: 1, refused: { bundle: 2 } });
    await box.stop();
  });

  test("monitor mode in the spec reports drift and changes nothing", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    const edit = await hub.ask("PUT", `/api/v1/hosts/${hostId()}/spec`, {
      token: admin,
      body: { mode: "monitor", interval_s: 60 },
      headers: { "if-match": '"1"' },
    });
    expect(edit.status).toBe(200);
    await box.until((status) => status.converge.last?.mode === "monitor", 10_000);
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    await box.until((status) => status.converge.last?.counts.drifted === 1 && status.outbox.rows === 0, 100_000);
    expect(motd()).toBe("by hand\n");
    expect(await hostReport()).toMatchObject({ mode: "monitor", spec: 2, counts: { drifted: 1 } });
    await box.stop();
  });

  test("revoked, it goes on enforcing, says so, and hardly asks any more", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await hub.ask("POST", `/api/v1/hosts/${hostId()}/revoke`, { token: admin, body: {} });
    await box.until(({ link }) => link.is === "revoked", 100_000);
    const before = box.requests.length;
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    await box.ask("POST", "/converge");
    await box.until((status) => status.converge.last?.trigger === "demand");
    expect(motd()).toBe("hello\n");
    expect(box.requests.length - before).toBeLessThan(3);
    expect((await box.ask("GET", "/readyz")).status).toBe(200);
    await box.stop();
  });

  test("an older copy of the database does not bring an older bundle back: the snapshot knows better", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("one\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await box.stop();
    copyFileSync(`${box.dataDir}/agent.db`, `${hub.world.dir}/old.db`);
    box.start();
    await publish(2, fleet("two\n"));
    await box.until((status) => status.converge.last?.bundle === 2);
    await box.stop();
    copyFileSync(`${hub.world.dir}/old.db`, `${box.dataDir}/agent.db`);
    for (const suffix of ["-wal", "-shm"]) rmSync(`${box.dataDir}/agent.db${suffix}`, { force: true });
    box.online = false;
    rmSync(`${hub.world.dir}/motd`);
    box.start();
    const status = await box.until((now) => now.converge.last?.trigger === "boot");
    expect(status.converge.last).toMatchObject({ bundle: 2, source: "snapshot" });
    expect(motd()).toBe("two\n");
    await box.stop();
  });

  test("a hub that was restored from a backup is offered what this box holds, once", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    const offers: Record<string, unknown>[] = [];
    box.intercept = async (request, send) => {
      if (!request.url.endsWith("/sync")) return send();
      const asked = JSON.parse(new TextDecoder().decode(request.body));
      if (asked.offer !== undefined) offers.push(asked.offer);
      const response = await send();
      return Response.json({ ...((await response.json()) as object), hub_epoch: 9 });
    };
    await box.until(() => offers.length > 0, 120_000);
    expect(offers[0]).toMatchObject({
      roots: [hub.fleet.rootEnvelope],
      cert: { payloadType: "application/vnd.felhom.host-cert+json" },
      bundle: { payloadType: "application/vnd.felhom.bundle+json" },
    });
    await box.until(() => box.requests.length > 200, 120_000).catch(() => undefined);
    expect(offers).toHaveLength(1);
    await box.stop();
  });

  test("a tree that was altered on disk is not enforced; its files are fetched again", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await box.stop();
    writeFileSync(`${box.dataDir}/bundle/1/states/base.yaml`, `/tmp/felhom-must-not-be:\n  file:\n    content: evil\n`);
    box.start();
    const isRefusal = ({ event, facts }: TestAgent["logged"][number]): boolean =>
      event === "converge.finished" && String(facts?.["degraded"]).includes("blob_mismatch: states/base.yaml");
    await box.until(() => box.logged.some(isRefusal));
    expect(box.logged.find(isRefusal)?.facts).toMatchObject({ trigger: "boot", bundle: 0 });
    expect(existsSync("/tmp/felhom-must-not-be")).toBe(false);
    await box.until((status) => status.converge.last?.refused === undefined && status.converge.last?.bundle === 1);
    await box.stop();
  });
});

describe("a hub that lies", () => {
  const offering =
    (change: (reply: Record<string, unknown>) => Record<string, unknown>): TestAgent["intercept"] =>
    async (request, send) => {
      const response = await send();
      if (!request.url.endsWith("/sync")) return response;
      return Response.json(change((await response.json()) as Record<string, unknown>));
    };

  test("a bundle of nobody is refused, nothing of it is written, and the box does not spin", async () => {
    await enrolled();
    box.start();
    await box.until((status) => status.converge.last !== undefined);
    const forged = { ...hub.fleet.bundle(7, fleet("evil\n")), signatures: [{ keyid: hub.fleet.key.keyId, sig: Buffer.alloc(64).toString("base64") }] };
    box.intercept = offering((reply) => ({ ...reply, bundle: forged }));
    const before = box.requests.length;
    await box.until(() => box.logged.filter(({ event }) => event === "document.refused").length > 3, 3_600_000);
    expect(box.logged.find(({ event }) => event === "document.refused")?.facts).toMatchObject({ what: "bundle", code: "signature_bad" });
    expect(box.requests.length - before).toBeLessThan(30);
    expect(await box.status()).toMatchObject({ desired: { bundle: 0, candidate: 0 } });
    expect(readdirSync(`${box.dataDir}/bundle`)).toEqual([]);
    await box.stop();
  });

  test("wrong bytes under a right name are thrown away and asked for again", async () => {
    await enrolled();
    box.start();
    let lies = 2;
    box.intercept = async (request, send) => {
      const response = await send();
      if (!request.url.includes("/blobs/") || lies === 0) return response;
      lies -= 1;
      const bytes = new Uint8Array(await response.arrayBuffer());
      bytes[0] = (bytes[0] ?? 0) ^ 1;
      return new Response(bytes, { status: response.status });
    };
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    expect(lies).toBe(0);
    expect(motd()).toBe("hello\n");
    await box.stop();
  });

  test("an endless blob is cut at the signed size", async () => {
    await enrolled();
    box.start();
    let chunks = 0;
    box.intercept = async (request, send) => {
      if (!request.url.includes("/blobs/")) return send();
      return new Response(new ReadableStream({ pull: (controller) => ((chunks += 1), controller.enqueue(new Uint8Array(1_024))) }));
    };
    await publish(1, fleet("hello\n"));
    await box.until(() => box.logged.some(({ event }) => event === "blob.failed"));
    await box.stop();
    expect(chunks).toBeLessThan(100);
    expect(motd()).toBeUndefined();
  });

  test("an older bundle is refused after a newer one was in force", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("one\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    const old = hub.fleet.bundle(1, fleet("one\n"));
    await publish(2, fleet("two\n"));
    await box.until((status) => status.converge.last?.bundle === 2);
    box.intercept = offering((reply) => ({ ...reply, bundle: old }));
    await box.until(() => box.logged.some(({ event, facts }) => event === "document.refused" && facts?.["code"] === "below_floor"), 3_600_000);
    expect(motd()).toBe("two\n");
    await box.stop();
  });
});

describe("a data directory", () => {
  test("is used by one agent only", async () => {
    await enrolled();
    box.start();
    await box.until((status) => status.converge.last !== undefined);
    const second = await testAgent(hub, "box-1");
    second.start();
    const ended = await second.stop();
    expect(ended).toMatchObject({ because: "failed", error: { code: "lock_held" } });
    await box.stop();
  });

  test("that others can write is refused", async () => {
    await enrolled();
    chmodSync(box.dataDir, 0o777);
    box.start();
    expect(await box.stop()).toMatchObject({ because: "failed", error: { code: "file_unsafe" } });
  });
});

describe("enrolling", () => {
  test("a rejected box hears why, and may ask again with the same keys", async () => {
    await box.enroll(join(), { wait: false });
    const { items } = (await hub.ask("GET", "/api/v1/enrollments?state=pending", { token: admin })).json;
    await hub.ask("POST", `/api/v1/enrollments/${items[0].request_id}/reject`, { token: admin, body: { reason: "who are you" } });
    expect(await box.enroll(undefined)).toEqual({ is: "rejected", because: "who are you" });
    expect(await box.enroll(undefined, { wait: false })).toMatchObject({ is: "pending" });
    await approve();
    expect(await box.enroll(undefined)).toMatchObject({ is: "enrolled" });
  });

  test("an answer that was lost after the hub had it changes nothing: one host, the same words", async () => {
    let lost = 1;
    box.intercept = async (request, send) => {
      const response = await send();
      if (lost > 0 && request.url.endsWith("/requests")) {
        lost -= 1;
        return new Response("gone", { status: 502 });
      }
      return response;
    };
    expect((await box.enroll(join(), { wait: false })).is).toBe("pending");
    expect((await hub.ask("GET", "/api/v1/enrollments?state=pending", { token: admin })).json.items).toHaveLength(1);
  });

  test("enrolling again with the same keys gives a new credential and keeps what is held", async () => {
    await enrolled();
    box.start();
    await publish(1, fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await box.stop();
    const before = readFileSync(`${box.dataDir}/identity/membership.json`, "utf8");
    expect((await box.enroll(join())).is).toBe("enrolled");
    expect(readFileSync(`${box.dataDir}/identity/membership.json`, "utf8")).not.toBe(before);
    box.start();
    await box.until(({ link, converge }) => link.is === "connected" && converge.last?.bundle === 1);
    await box.stop();
  });

  test("a join code of another fleet is found out when the approval is verified, and nothing is kept", async () => {
    const other = encodeJoinCode({ fleetId: hub.fleet.root.payload.fleet_id, rootHash: sha256Hex(utf8("another root")) as never, pins: [] });
    await box.enroll(other, { wait: false });
    await approve();
    expect(await box.enroll(undefined)).toMatchObject({ is: "failed", code: "root_hash_mismatch" });
    expect(existsSync(`${box.dataDir}/identity/membership.json`)).toBe(false);
  });

  test("a token in the join code needs nobody to say yes", async () => {
    const token = testKey("unattended");
    const nowMs = hub.world.clock.wallMs();
    const grant = signPayload(
      "grant",
      grantPayload,
      {
        v: 1,
        fleet_id: hub.fleet.root.payload.fleet_id,
        grant_id: grantIdOf(token.publicKey),
        token_key: spellKey(token.publicKey),
        labels: { site: "shop" },
        uses: 1,
        created_at: nowMs,
        expires_at: nowMs + 3_600_000,
      },
      [hub.fleet.key],
    );
    expect((await hub.ask("POST", "/api/v1/grants", { token: admin, body: { envelope: grant } })).status).toBe(201);
    const code = encodeJoinCode({ fleetId: hub.fleet.root.payload.fleet_id, rootHash: hub.fleet.root.hash, pins: [], token: token.seed });
    expect(await box.enroll(code)).toMatchObject({ is: "enrolled" });
    expect(readFileSync(`${box.dataDir}/identity/enrollment.json`, "utf8")).not.toContain(code);
    box.start();
    await publish(1, fleet("hello\n"));
    const status = await box.until(({ converge }) => converge.last?.bundle === 1);
    expect(status.host?.labels).toEqual({ site: "shop" });
    const late = await testAgent(hub, "box-2");
    expect((await late.enroll(code, { wait: false })).is).not.toBe("enrolled");
    await box.stop();
  });
});
