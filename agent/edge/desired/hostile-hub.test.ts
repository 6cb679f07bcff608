/** A hub that has every old document of this fleet, and no operator key: what it can play back, and when, changes nothing here. */
import { describe, expect, test } from "bun:test";
import { FLEET_MADE_MS, testFleet, testHost, testKey, testRootPayload, valueOf } from "../../../shared/sim/test-fleet.ts";
import { type TestWorld, testWorld } from "../../../shared/sim/test-world.ts";
import { SimClock } from "../../../shared/sim/sim-clock.ts";
import { base64, hex, utf8 } from "../../../shared/core/bytes.ts";
import type { JoinCode } from "../../../shared/trust/join-code.ts";
import type { Envelope } from "../../../shared/trust/envelope.ts";
import { hostCertPayload, rootPayload } from "../../../shared/trust/payloads.ts";
import { loadSealedBox } from "../../../shared/trust/sealed-box.ts";
import { verifyRootChain } from "../../../shared/trust/root.ts";
import { signPayload } from "../../../shared/trust/sign-payload.ts";
import { paths } from "../../core/desired/paths.ts";
import { keepApproval, verifyApproval } from "../enroll/accept-approval.ts";
import { prepareDataDir } from "../store/data-dir.ts";
import { adopt } from "./adopt.ts";
import { writeBoth } from "./documents.ts";
import { loadDesired } from "./load-desired.ts";

const fleet = testFleet();
const host = testHost("box");
const fresh = testKey("fresh operator");
const join: JoinCode = { fleetId: fleet.root.payload.fleet_id, rootHash: fleet.root.hash, pins: [] };
const keys = { signingKey: host.signingKey, boxKey: host.boxKey };
/** Both operators' keys; then the first one's is gone. */
const root2 = signPayload("root", rootPayload, testRootPayload([fleet.key, fresh], { version: 2 }), [fleet.key, fresh]);
const root3 = signPayload("root", rootPayload, testRootPayload([fresh], { version: 3 }), [fleet.key, fresh]);
const certBy = (serial: number, by: typeof fresh, role: string): Envelope =>
  signPayload("host-cert", hostCertPayload, { ...JSON.parse(Buffer.from(fleet.cert(host).payload, "base64").toString()), serial, labels: { role } }, [by]);

async function enroll(world: TestWorld, cert: Envelope, roots: readonly Envelope[] = [fleet.rootEnvelope], code: JoinCode = join): Promise<string> {
  const credential = valueOf((await loadSealedBox()).seal(utf8(JSON.stringify({ credential: "c" })), host.boxKey.publicKey, world.crypto.randomBytes(32)));
  const approved = { v: 1, state: "approved" as const, host_cert: cert, sealed_credential: base64(credential), roots: [...roots] };
  const verdict = await verifyApproval(approved, code, keys);
  if (!verdict.ok) return verdict.refusal;
  keepApproval(world, `${world.dir}/box`, verdict.value, { approved, join: code, urls: ["https://hub.example.net"] });
  return "enrolled";
}

function boxWorld(): TestWorld {
  const world = testWorld({ clock: new SimClock(undefined, FLEET_MADE_MS + 1_000) });
  const dataDir = `${world.dir}/box`;
  prepareDataDir(world.files, world.self, dataDir);
  for (const [path, key] of [
    [paths(dataDir).signingKey, host.signingKey],
    [paths(dataDir).boxKey, host.boxKey],
  ] as const) {
    const handle = world.files.open("test", path, "exclusive", 0o600);
    handle.write(utf8(`${hex(key.seed)}\n`));
    handle.close();
  }
  return world;
}

describe("a hostile hub", () => {
  test("can't play back an older certificate after the newer one's signer left the root", async () => {
    using world = boxWorld();
    const dataDir = `${world.dir}/box`;
    expect(await enroll(world, certBy(1, fleet.key, "web"))).toBe("enrolled");
    adopt(world, dataDir, { roots: [root2] });
    adopt(world, dataDir, { roots: [], cert: certBy(2, fresh, "db") });
    expect(loadDesired(world, dataDir).identity?.labels).toEqual({ role: "db" });
    adopt(world, dataDir, { roots: [], cert: certBy(3, fleet.key, "web") });
    expect(adopt(world, dataDir, { roots: [root3] }).desired.identity).toBeUndefined();
    // The one by the key that is still there, two serials back.
    expect(adopt(world, dataDir, { roots: [], cert: certBy(2, fresh, "db") }).refused.map(({ code }) => code)).toEqual(["version_not_newer"]);
    expect(adopt(world, dataDir, { roots: [], cert: certBy(4, fresh, "db") }).refused).toEqual([]);
    expect(loadDesired(world, dataDir).identity?.serial).toBe(4);
  });

  test("can't lower the floors or the serial by having the box enroll again, not even over a damaged database", async () => {
    using world = boxWorld();
    const dataDir = `${world.dir}/box`;
    expect(await enroll(world, certBy(5, fleet.key, "web"))).toBe("enrolled");
    writeBoth(world, dataDir, (stored) => ({ ...(stored ?? loadDesired(world, dataDir).documents), floor: { bundle: 41, timeMs: FLEET_MADE_MS + 500 } }));
    const database = paths(dataDir).database;
    world.files.remove("test", database);
    for (const tail of ["-wal", "-shm"]) world.files.remove("test", database + tail);
    const junk = world.files.open("test", database, "exclusive", 0o600);
    junk.write(utf8("not a database at all, and long enough to look like one ".repeat(100)));
    junk.close();
    expect(await enroll(world, certBy(1, fleet.key, "old"))).toBe("enrolled");
    const { documents, identity } = loadDesired(world, dataDir);
    expect([documents.floor, identity?.serial]).toEqual([{ bundle: 41, timeMs: FLEET_MADE_MS + 500 }, 5]);
    expect(adopt(world, dataDir, { roots: [], bundle: fleet.bundle(40, {}) }).refused.map(({ code }) => code)).toEqual(["below_floor"]);
  });

  test("attack 70: gets nothing from a box with its own root, its own certificate, or another box's", async () => {
    using world = boxWorld();
    const other = testFleet("two");
    expect(await enroll(world, other.cert(host), [other.rootEnvelope])).toBe("root_hash_mismatch");
    expect(await enroll(world, other.cert(host))).toBe("key_unknown");
    expect(await enroll(world, fleet.cert(testHost("another")))).toBe("host_mismatch");
    expect(await enroll(world, fleet.cert(host, { box_key: Buffer.from(testHost("x").boxKey.publicKey).toString("base64url") }))).toBe("key_mismatch");
    expect(world.files.stat("test", paths(`${world.dir}/box`).membership)).toBeUndefined();
  });

  test("that stole version 1's key, lost since, can't lead a fresh box along a fork: the join code names a newer root", async () => {
    using world = boxWorld();
    const { hash } = valueOf(verifyRootChain([fleet.rootEnvelope, root2, root3], fleet.root.hash));
    const code: JoinCode = { ...join, newest: { version: 3, hash } };
    const fork = signPayload("root", rootPayload, testRootPayload([fleet.key], { version: 2 }), [fleet.key]);
    const fork3 = signPayload("root", rootPayload, testRootPayload([fleet.key], { version: 3 }), [fleet.key]);
    expect(await enroll(world, certBy(1, fleet.key, "web"), [fleet.rootEnvelope, fork, fork3], code)).toBe("root_hash_mismatch");
    expect(await enroll(world, certBy(1, fleet.key, "web"), [fleet.rootEnvelope], code)).toBe("version_step");
    expect(await enroll(world, certBy(1, fresh, "web"), [fleet.rootEnvelope, root2, root3], code)).toBe("enrolled");
  });
});
