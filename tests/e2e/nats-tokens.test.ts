/**
 * Credentials for NATS that live for seconds, with the compiled binary and a real nats-server: an honest box renews them again and again and
 * no op is lost or doubled by it; whoever holds a box's keys is off the bus when the token that it had at its revocation ends.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { unsealNats } from "../../agent/edge/nats/unseal.ts";
import { type Box, RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { freePort } from "../../shared/sim/free-port.ts";
import { isFault } from "../../shared/core/fault.ts";
import { connectNats } from "../../shared/edge/nats-bus.ts";
import type { Bus } from "../../shared/ports/bus.ts";
import { natsSubjects } from "../../shared/protocol/nats-subjects.ts";
import type { SyncReply } from "../../shared/protocol/sync.ts";
import { natsServer, type RealNats, startNats, whyNoNats } from "../../shared/sim/real-nats.ts";
import { testWorld } from "../../shared/sim/test-world.ts";

const TOKEN_MS = 20_000;
const RENEWALS = 2;
const hubFlags: string[] = [];
const fleet = new RealFleet({ hubFlags, lightVault: true });
const boxes: Box[] = [];
let nats: RealNats;

const counter = (): string => join(fleet.dir, "count");
const counted = (): number => (existsSync(counter()) ? readFileSync(counter(), "utf8").trim().split("\n").length : 0);
const logOf = (box: Box): readonly string[] => readFileSync(join(fleet.dir, `agent-${box.name}.log`), "utf8").split("\n");
const times = (box: Box, event: string): number => logOf(box).filter((line) => line.includes(`"${event}"`)).length;

describe.skipIf(natsServer === null)(`short credentials for NATS ${whyNoNats}`, () => {
  beforeAll(async () => {
    const port = await freePort();
    hubFlags.push("--nats-urls", `nats://127.0.0.1:${port}`, "--nats-token-ms", String(TOKEN_MS));
    await fleet.start();
    for (const name of ["honest", "stolen"]) boxes.push(await fleet.addBox(name));
    const dir = join(fleet.dir, "nats");
    mkdirSync(dir);
    nats = await startNats({
      dir,
      port,
      prepare: ({ storeDir }) => {
        const out = join(dir, "made.conf");
        const place = ["--plain", "--listen", `127.0.0.1:${port}`, "--store-dir", storeDir, "--disk-gib", "1"];
        fleet.operator(["hub", "nats-config", "--data-dir", fleet.hubDir, ...place, "--out", out]);
        return Promise.resolve(readFileSync(out, "utf8"));
      },
    });
    for (const { name } of boxes) fleet.operator(["host", "spec", name, "--nats", "--yes"]);
    await fleet.until("both are attached", () => Promise.resolve(boxes.every((box) => times(box, "nats.attached") > 0)));
  }, 240_000);
  afterAll(async () => {
    await nats.kill();
    await fleet.stop();
  });

  test("are renewed before they end, and no op is lost or doubled by it", () => {
    const before = boxes.map((box) => times(box, "nats.attached"));
    const isEnough = (): boolean => boxes.every((box, at) => times(box, "nats.attached") - (before[at] ?? 0) >= RENEWALS);
    let ops = 0;
    for (; !isEnough() && ops < 1_000; ops += 1) {
      const flags = ["--yes", "--passphrase-file", fleet.passphraseFile, "-o", "jsonl"];
      const ran = fleet.operator(["run", "*", "cmd.run", ...flags, "--", "sh", "-c", `echo x >> ${counter()}`]);
      expect(JSON.parse(ran.stdout.trim().split("\n").at(-1) ?? "{}")).toMatchObject({ ok: boxes.length });
    }
    expect([isEnough(), counted()]).toEqual([true, ops * boxes.length]);
    // None of them was put out: each left before its token ended.
    expect(boxes.map((box) => logOf(box).filter((line) => line.includes('"nats.failed"') && line.includes('"denied"')).length)).toEqual([0, 0]);
  }, 180_000);

  test("of a revoked host end by themselves, and it is given no others", async () => {
    const [, box] = boxes;
    if (box === undefined) throw new Error("there is no box");
    // Whoever took the box's disk: its credential for the hub, and its box key.
    await fleet.kill(`agent-${box.name}`, "SIGKILL");
    const membership = JSON.parse(readFileSync(join(box.dataDir, "identity", "membership.json"), "utf8"));
    const sync = async (): Promise<{ readonly status: number; readonly reply: SyncReply }> => {
      const message = {
        v: 1,
        protocol: 1,
        host_id: membership.host_id,
        boot_id: "stolen",
        run: 1_000,
        agent_version: "0.1.0",
        have: { root: 1, cert: 1, bundle: 0, spec: 2 },
        hub_epoch: 1,
        wait_ms: 0,
        outbox: [],
        nats: { want: true },
      };
      const response = await fetch(`${fleet.hubUrl}/agent/v1/sync`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${membership.credential}` },
        body: JSON.stringify(message),
        tls: { rejectUnauthorized: false },
        keepalive: false,
      });
      const reply: SyncReply = JSON.parse(await response.text());
      return { status: response.status, reply };
    };
    const { reply } = await sync();
    const world = testWorld();
    const given = await unsealNats(world, box.dataDir, reply.nats?.sealed_credentials ?? "");
    world.remove();
    const subjects = natsSubjects(membership.fleet_id);
    const connect = (): Promise<Bus> =>
      connectNats("test", {
        url: nats.url,
        name: "stolen",
        credentials: given,
        inbox: subjects.ofHost(membership.host_id).inbox,
        timeoutMs: 10_000,
        pingMs: 20_000,
      });
    const bus = await connect();
    const connectedMs = performance.now();
    fleet.operator(["host", "revoke", box.name, "--yes", "--confirm", box.name, "--reason", "test"]);
    const fault = await bus.closed;
    const livedMs = performance.now() - connectedMs;
    expect([fault?.code, livedMs < TOKEN_MS + 10_000]).toEqual(["denied", true]);
    // In the very second in which it ends it may be let in, and is put out at once.
    const again = await connect().then(
      async (second) => (await second.closed)?.code,
      (error: unknown) => (isFault(error) ? error.code : String(error)),
    );
    const refused = await sync();
    expect([again, refused.status, refused.reply.nats]).toEqual(["denied", 401, undefined]);
    process.stdout.write(`a revoked host was on NATS for ${Math.round(livedMs / 1_000)} s more, with tokens of ${TOKEN_MS / 1_000} s\n`);
  }, 240_000);
});
