/** The agent's composition against the real hub: from enrollment to a report, and through what a hub says on the way. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { listEvents } from "../hub/edge/store/events.ts";
import { fromBase64, utf8 } from "../shared/core/bytes.ts";
import { sha256Hex } from "../shared/core/sha256.ts";
import { type BoxAtHub, boxAtHub } from "../shared/sim/box-at-hub.ts";
import { testAgent, type TestAgent } from "../shared/sim/test-agent.ts";
import { testKey } from "../shared/sim/test-fleet.ts";
import type { TestHub } from "../shared/sim/test-hub.ts";
import { signEnvelope } from "../shared/trust/envelope.ts";
import { grantIdOf } from "../shared/trust/grant-id.ts";
import { encodeJoinCode } from "../shared/trust/join-code.ts";
import { spellKey } from "../shared/trust/keys.ts";
import { grantPayload } from "../shared/trust/payloads.ts";
import { signPayload } from "../shared/trust/sign-payload.ts";

let at: BoxAtHub;
let hub: TestHub;
let box: TestAgent;
let admin: string;

beforeEach(async () => {
  at = await boxAtHub();
  ({ hub, box, admin } = at);
});
afterEach(() => hub[Symbol.dispose]());

/** Virtual time, with a moment of real time for what reads real files. */
async function pass(ms: number): Promise<void> {
  await hub.world.clock.advance(ms);
  await Bun.sleep(1);
}

describe("an agent and its hub", () => {
  test("enroll, approve, publish, converge, report", async () => {
    await at.enrolled();
    box.start();
    // Its first runs are over before there is a bundle: a slow one would apply it, and the run that came for it would report no change.
    await box.until(({ converge }) => converge.last?.trigger === "spec" && converge.running === undefined);
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    expect(at.motd()).toBe("hello\n");
    expect(await at.hostReport()).toMatchObject({ bundle: 1, mode: "enforce", source: "database", counts: { changed: 1 } });
    expect((await at.hostFacts()).facts).toHaveProperty("kernel");
    expect((await box.stop()).because).toBe("stopped");
  });

  test("a destructive edit of its spec waits on the box, drafts itself at the hub, and is applied when somebody signed that draft", async () => {
    await at.enrolled();
    box.start();
    await box.until(({ desired }) => desired.generation === 1);
    const edit = { token: admin, body: { mode: "monitor", retire: true }, headers: { "if-match": '"1"' } };
    expect((await hub.ask("PUT", `/api/v1/hosts/${at.hostId()}/spec`, edit)).status).toBe(200);
    const held = await box.until(({ desired, outbox }) => desired.awaiting !== undefined && outbox.rows === 0);
    expect([held.desired.mode, held.desired.awaiting]).toEqual(["monitor", { generation: 2, fields: ["retire"] }]);
    const { items } = (await hub.ask("GET", "/api/v1/ops?state=draft", { token: admin })).json;
    expect(items.map((item: { kind: string; drafted_by: string }) => [item.kind, item.drafted_by])).toEqual([["spec.apply", `host:${at.hostId()}`]]);
    const bytes = fromBase64(items[0].payload) ?? new Uint8Array();
    const { keyid, sig } = signEnvelope("op", bytes, [hub.fleet.key]).signatures[0] ?? { keyid: "", sig: "" };
    expect((await hub.ask("POST", `/api/v1/ops/${items[0].op_id}/signatures`, { token: admin, body: { keyid, sig } })).status).toBe(200);
    for (let looks = 0; looks < 400 && existsSync(`${box.dataDir}/identity/membership.json`); looks += 1) await pass(250);
    expect(existsSync(`${box.dataDir}/identity/signing.key`)).toBe(false);
  });

  test("what waits for a signature is said again at the box's next start, and each day", async () => {
    await at.enrolled();
    box.start();
    await box.until(({ desired }) => desired.generation === 1);
    const edit = { token: admin, body: { mode: "monitor", retire: true }, headers: { "if-match": '"1"' } };
    expect((await hub.ask("PUT", `/api/v1/hosts/${at.hostId()}/spec`, edit)).status).toBe(200);
    const said = () =>
      hub.hub.store.read(
        (db) =>
          listEvents(db, { limit: 100, order: "oldest-first", kinds: ["agent.event"] }).filter(({ data }) => data.includes("spec.awaiting_signature")).length,
      );
    const until = async (times: number, stepMs: number): Promise<number> => {
      for (let looks = 0; looks < 400 && (await said()) < times; looks += 1) await pass(stepMs);
      return said();
    };
    expect(await until(1, 250)).toBe(1);
    await box.stop();
    box.start();
    expect(await until(2, 250)).toBe(2);
    const startedMs = hub.world.clock.wallMs();
    expect(await until(3, 3_600_000)).toBe(3);
    expect(hub.world.clock.wallMs() - startedMs).toBeWithin(86_400_000 - 400 * 250, 3 * 86_400_000);
    await box.stop();
  });

  test("a held sync brings a new bundle at once, and deletions propagate", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, { ...at.fleet("one\n"), "files/old": "old\n" });
    await box.until((status) => status.converge.last?.bundle === 1);
    expect(existsSync(`${box.dataDir}/bundle/current/files/old`)).toBe(true);
    await at.publish(2, at.fleet("two\n"));
    await box.until((status) => status.converge.last?.bundle === 2, 10_000);
    expect(at.motd()).toBe("two\n");
    expect(existsSync(`${box.dataDir}/bundle/current/files/old`)).toBe(false);
    expect(existsSync(`${box.dataDir}/bundle/1/files/old`)).toBe(true);
    expect(readdirSync(`${box.dataDir}/blobs`).flatMap((dir) => readdirSync(`${box.dataDir}/blobs/${dir}`))).toEqual([]);
    await box.stop();
  });

  test("a bundle that does not render leaves the last good resources in force and shows degraded", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    await at.publish(2, { ...at.fleet("two\n"), "states/base.yaml": "this: is: not: yaml\n" });
    const status = await box.until((now) => now.converge.last?.refused !== undefined && now.outbox.rows === 0);
    expect(status.converge.last).toMatchObject({ bundle: 1, refused: { bundle: 2, code: "render_failed" } });
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    await box.ask("POST", "/converge");
    await box.until((now) => now.converge.last?.trigger === "demand" && now.outbox.rows === 0);
    expect(at.motd()).toBe("hello\n");
    expect(await at.hostReport()).toMatchObject({ bundle: 1, refused: { bundle: 2 } });
    await box.stop();
  });

  test("monitor mode in the spec reports drift and changes nothing", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    const edit = await hub.ask("PUT", `/api/v1/hosts/${at.hostId()}/spec`, {
      token: admin,
      body: { mode: "monitor", interval_s: 60 },
      headers: { "if-match": '"1"' },
    });
    expect(edit.status).toBe(200);
    await box.until((status) => status.converge.last?.mode === "monitor", 10_000);
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    await box.until((status) => status.converge.last?.counts.drifted === 1 && status.outbox.rows === 0, 100_000);
    expect(at.motd()).toBe("by hand\n");
    expect(await at.hostReport()).toMatchObject({ mode: "monitor", spec: 2, counts: { drifted: 1 } });
    await box.stop();
  });

  test("revoked, it goes on enforcing, says so, and hardly asks any more", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await hub.ask("POST", `/api/v1/hosts/${at.hostId()}/revoke`, { token: admin, body: {} });
    await box.until(({ link }) => link.is === "revoked", 100_000);
    const before = box.requests.length;
    writeFileSync(`${hub.world.dir}/motd`, "by hand\n");
    await box.ask("POST", "/converge");
    await box.until((status) => status.converge.last?.trigger === "demand");
    expect(at.motd()).toBe("hello\n");
    expect(box.requests.length - before).toBeLessThan(3);
    expect((await box.ask("GET", "/readyz")).status).toBe(200);
    await box.stop();
  });

  test("a hub that was restored from a backup is offered what this box holds, once", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
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
});

test("a connection outlives a short pause that the hub asks for, and no long one", async () => {
  await at.enrolled();
  box.start();
  await box.until((status) => status.outbox.rows === 0 && status.link.is === "connected");
  const afterPause = async (nextMs: number): Promise<unknown> => {
    const syncs: unknown[] = [];
    box.intercept = async (request, send) => {
      const response = await send();
      if (!request.url.endsWith("/sync")) return response;
      syncs.push(request.keep);
      return Response.json({ ...((await response.json()) as object), next_ms: nextMs });
    };
    // The first one still knows of no pause.
    await box.until(() => syncs.length > 2, 600_000);
    return syncs[2];
  };
  expect(await afterPause(1_500)).toBe(true);
  expect(await afterPause(5_000)).toBe(false);
  await box.stop();
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
    await at.enrolled();
    box.start();
    await box.until((status) => status.converge.last !== undefined);
    const forged = { ...hub.fleet.bundle(7, at.fleet("evil\n")), signatures: [{ keyid: hub.fleet.key.keyId, sig: Buffer.alloc(64).toString("base64") }] };
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
    await at.enrolled();
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
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    expect(lies).toBe(0);
    expect(at.motd()).toBe("hello\n");
    await box.stop();
  });

  test("an endless blob is cut at the signed size", async () => {
    await at.enrolled();
    box.start();
    let chunks = 0;
    box.intercept = async (request, send) => {
      if (!request.url.includes("/blobs/")) return send();
      return new Response(new ReadableStream({ pull: (controller) => ((chunks += 1), controller.enqueue(new Uint8Array(1_024))) }));
    };
    await at.publish(1, at.fleet("hello\n"));
    await box.until(() => box.logged.some(({ event }) => event === "blob.failed"));
    await box.stop();
    expect(chunks).toBeLessThan(100);
    expect(at.motd()).toBeUndefined();
  });

  test("an older bundle is refused after a newer one was in force", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("one\n"));
    await box.until((status) => status.converge.last?.bundle === 1);
    const old = hub.fleet.bundle(1, at.fleet("one\n"));
    await at.publish(2, at.fleet("two\n"));
    await box.until((status) => status.converge.last?.bundle === 2);
    box.intercept = offering((reply) => ({ ...reply, bundle: old }));
    await box.until(() => box.logged.some(({ event, facts }) => event === "document.refused" && facts?.["code"] === "below_floor"), 3_600_000);
    expect(at.motd()).toBe("two\n");
    await box.stop();
  });
});

describe("a data directory", () => {
  test("is used by one agent only", async () => {
    await at.enrolled();
    box.start();
    await box.until((status) => status.converge.last !== undefined);
    const second = await testAgent(hub, "box-1");
    second.start();
    const ended = await second.stop();
    expect(ended).toMatchObject({ because: "failed", error: { code: "lock_held" } });
    await box.stop();
  });

  test("that others can write is refused", async () => {
    await at.enrolled();
    chmodSync(box.dataDir, 0o777);
    box.start();
    expect(await box.stop()).toMatchObject({ because: "failed", error: { code: "file_unsafe" } });
  });
});

describe("enrolling", () => {
  test("a rejected box hears why, and may ask again with the same keys", async () => {
    await box.enroll(at.join(), { wait: false });
    const { items } = (await hub.ask("GET", "/api/v1/enrollments?state=pending", { token: admin })).json;
    await hub.ask("POST", `/api/v1/enrollments/${items[0].request_id}/reject`, { token: admin, body: { reason: "who are you" } });
    expect(await box.enroll(undefined)).toEqual({ is: "rejected", because: "who are you" });
    expect(await box.enroll(undefined, { wait: false })).toMatchObject({ is: "pending" });
    await at.approve();
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
    expect((await box.enroll(at.join(), { wait: false })).is).toBe("pending");
    expect((await hub.ask("GET", "/api/v1/enrollments?state=pending", { token: admin })).json.items).toHaveLength(1);
  });

  test("enrolling again with the same keys gives a new credential and keeps what is held", async () => {
    await at.enrolled();
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    await box.until((status) => status.converge.last?.bundle === 1 && status.outbox.rows === 0);
    await box.stop();
    const before = readFileSync(`${box.dataDir}/identity/membership.json`, "utf8");
    expect((await box.enroll(at.join())).is).toBe("enrolled");
    expect(readFileSync(`${box.dataDir}/identity/membership.json`, "utf8")).not.toBe(before);
    box.start();
    await box.until(({ link, converge }) => link.is === "connected" && converge.last?.bundle === 1);
    await box.stop();
  });

  test("a join code of another fleet is found out when the approval is verified, and nothing is kept", async () => {
    const other = encodeJoinCode({ fleetId: hub.fleet.root.payload.fleet_id, rootHash: sha256Hex(utf8("another root")) as never, pins: [] });
    await box.enroll(other, { wait: false });
    await at.approve();
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
    expect(await box.enroll(undefined).catch((error: unknown) => String(error))).toContain("this box is enrolled, and no new join code was given");
    expect(readFileSync(`${box.dataDir}/identity/enrollment.json`, "utf8")).not.toContain(code);
    box.start();
    await at.publish(1, at.fleet("hello\n"));
    const status = await box.until(({ converge }) => converge.last?.bundle === 1);
    expect(status.host?.labels).toEqual({ site: "shop" });
    const late = await testAgent(hub, "box-2");
    expect((await late.enroll(code, { wait: false })).is).not.toBe("enrolled");
    await box.stop();
  });
});
