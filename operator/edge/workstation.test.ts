import { describe, expect, test } from "bun:test";
import { utf8 } from "../../shared/core/bytes.ts";
import type { FaultCode } from "../../shared/core/fault-code.ts";
import { isFault } from "../../shared/core/fault.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { testFleet, testFleetId, testKey, testRootPayload } from "../../shared/sim/test-fleet.ts";
import { type TestWorld, testWorld } from "../../shared/sim/test-world.ts";
import { type Envelope, signEnvelope } from "../../shared/trust/envelope.ts";
import type { RootPayload } from "../../shared/trust/payloads.ts";
import { KDF_RANGE } from "../core/vault/vault-file.ts";
import { addKey } from "../core/vault/edit-contents.ts";
import { editVault, hasVault, readVault } from "./vault.ts";
import { Workstation } from "./workstation.ts";

const fleet = testFleet();
const FLEET = fleet.root.payload.fleet_id;
const key = testKey("operator one");
const context = { name: "shops", hubUrl: "https://hub.example.net", pins: [], fleetId: FLEET };
const cost = { memoryKib: KDF_RANGE.memoryKib.least, passes: KDF_RANGE.passes.least };
const next = (version: number, changes: Partial<RootPayload> = {}): Envelope =>
  signEnvelope("root", utf8(JSON.stringify(testRootPayload([key], { fleet_id: FLEET, version, ...changes }))), [key]);

function codeOf(act: () => unknown): FaultCode | "no fault" {
  try {
    act();
  } catch (error) {
    if (isFault(error)) return error.code;
    throw error;
  }
  return "no fault";
}
const stationIn = (world: TestWorld): Workstation => new Workstation(world, `${world.dir}/home`);

describe("roots on a workstation", () => {
  test("are pinned once, extended by what chains, and read back verified", () => {
    using world = testWorld();
    const station = stationIn(world);
    station.pinFleet([fleet.rootEnvelope], fleet.root.hash);
    station.extendRoots(FLEET, [fleet.rootEnvelope, next(2)]);
    expect(stationIn(world).roots(FLEET).newest.payload.version).toBe(2);
    expect(stationIn(world).fleets()).toEqual([FLEET]);
  });
  test("refused: another version 1 for a fleet that is pinned, a fork, a gap, a stranger's root", () => {
    using world = testWorld();
    const station = stationIn(world);
    station.pinFleet([fleet.rootEnvelope], fleet.root.hash);
    station.extendRoots(FLEET, [next(2)]);
    const other = signEnvelope("root", utf8(JSON.stringify(testRootPayload([key], { fleet_id: FLEET, fleet_name: "forged" }))), [key]);

    expect(codeOf(() => station.pinFleet([other], sha256Hex(Buffer.from(other.payload, "base64"))))).toBe("refused");
    expect(codeOf(() => station.extendRoots(FLEET, [next(2, { fleet_name: "fork" })]))).toBe("refused");
    expect(codeOf(() => station.extendRoots(FLEET, [next(4)]))).toBe("refused");
    expect(
      codeOf(() =>
        station.extendRoots(FLEET, [
          signEnvelope("root", utf8(JSON.stringify(testRootPayload([testKey("x")], { fleet_id: FLEET, version: 3 }))), [testKey("x")]),
        ]),
      ),
    ).toBe("refused");
    expect(station.roots(FLEET).newest.payload.version).toBe(2);
  });
  test("attack 81: a chain changed on disk is refused when it is loaded", () => {
    using world = testWorld();
    const station = stationIn(world);
    station.pinFleet([fleet.rootEnvelope], fleet.root.hash);
    const path = `${station.home}/fleets/${FLEET}.json`;
    const text = new TextDecoder().decode(world.files.read("test", path, { bytesMax: 1_000_000 }));
    const write = (changed: string) => {
      world.files.remove("test", path);
      const handle = world.files.open("test", path, "exclusive", 0o600);
      handle.write(utf8(changed));
      handle.close();
    };
    write(text.replace(fleet.rootEnvelope.signatures[0]?.sig.slice(0, 8) ?? "", "AAAAAAAA"));
    expect(codeOf(() => station.roots(FLEET))).toBe("refused");
    write(text.slice(0, 100));
    expect(codeOf(() => station.roots(FLEET))).toBe("bad_request");
  });
  test("an extended chain drops a root that waited for signatures: it follows the old one", () => {
    using world = testWorld();
    const station = stationIn(world);
    station.pinFleet([fleet.rootEnvelope], fleet.root.hash);
    station.savePendingRoot(FLEET, next(2));
    expect(station.roots(FLEET).pending).toEqual(next(2));
    station.extendRoots(FLEET, [next(2)]);
    expect(station.roots(FLEET).pending).toBeUndefined();
  });
  test("a fleet that is not known, or not to be told, is a fault with a remedy", () => {
    using world = testWorld();
    expect(codeOf(() => stationIn(world).fleet())).toBe("not_found");
    expect(codeOf(() => stationIn(world).roots(testFleetId("unknown")))).toBe("not_found");
  });
});

describe("contexts and sessions", () => {
  test("the first context becomes the current one, and stays it", () => {
    using world = testWorld();
    const station = stationIn(world);
    station.saveContext(context);
    station.saveContext({ ...context, name: "lab", hubUrl: "https://lab.example.net" });
    expect([station.context().name, station.contexts().all.length, station.context("lab").hubUrl]).toEqual(["shops", 2, "https://lab.example.net"]);
    station.useContext("lab");
    expect(station.context().name).toBe("lab");
    station.removeContext("lab");
    expect(codeOf(() => station.context())).toBe("not_found");
    expect(codeOf(() => station.useContext("nowhere"))).toBe("not_found");
  });
  test("a session is 0600, and names can't leave the directory", () => {
    using world = testWorld();
    const station = stationIn(world);
    station.saveSession("shops", { hubUrl: context.hubUrl, token: "t", role: "admin", expiresAt: 5 });
    expect(world.files.stat("test", `${station.home}/sessions/shops.json`)?.mode).toBe(0o600);
    expect(station.session("shops")?.token).toBe("t");
    expect(station.session("other")).toBeUndefined();
    expect([station.removeSession("shops"), station.removeSession("shops")]).toEqual([true, false]);
    for (const name of ["../shops", "a/b", "", "."]) expect(codeOf(() => station.session(name))).toBe("bad_request");
  });
});

describe("the home directory", () => {
  test("attack 41: one that others can write is refused", () => {
    using world = testWorld();
    world.files.makeDir("test", `${world.dir}/home`, 0o777);
    expect(codeOf(() => stationIn(world).saveContext(context))).toBe("file_unsafe");
  });
  test("attack 42: a session or vault that others can read is refused", async () => {
    using world = testWorld();
    const station = stationIn(world);
    station.saveSession("shops", { hubUrl: context.hubUrl, token: "t", role: "admin", expiresAt: 5 });
    world.files.chmod("test", `${station.home}/sessions/shops.json`, 0o644);
    expect(codeOf(() => station.session("shops"))).toBe("file_unsafe");
    await editVault(world, station.home, {
      passphrase: () => Promise.resolve("a passphrase"),
      edit: (contents) => addKey(contents, { name: "a", seed: key.seed, nowMs: 1 }),
      cost,
    });
    expect(world.files.stat("test", `${station.home}/vault`)?.mode).toBe(0o600);
    world.files.chmod("test", `${station.home}/vault`, 0o640);
    expect(await readVault(world, station.home, () => Promise.resolve("a passphrase")).catch((error: unknown) => isFault(error, "file_unsafe"))).toBe(true);
  });
  test("attack 38: a symlink in the vault's place is not followed", async () => {
    using world = testWorld();
    const home = `${world.dir}/home`;
    world.files.makeDir("test", home, 0o700);
    world.files.symlink("test", "/etc/passwd", `${home}/vault`);
    const codes = ["file_unsafe", "file_not_regular", "not_found"] as const;
    const refused = await readVault(world, home, () => Promise.resolve("a passphrase")).catch((error: unknown) => codes.some((code) => isFault(error, code)));
    expect(refused).toBe(true);
  });
});

describe("the vault on disk", () => {
  const passphrase = () => Promise.resolve("a passphrase");
  test("an edit is there afterwards; one that throws leaves everything as it was", async () => {
    using world = testWorld();
    const home = `${world.dir}/home`;
    expect(hasVault(world, home)).toBe(false);
    await editVault(world, home, { passphrase, edit: (contents) => addKey(contents, { name: "a", seed: key.seed, nowMs: 1 }), cost });
    await editVault(world, home, { passphrase, edit: (contents) => addKey(contents, { name: "a", seed: key.seed, nowMs: 1 }), cost }).catch(() => undefined);
    expect((await readVault(world, home, passphrase)).keys.map(({ name }) => name)).toEqual(["a"]);
  });
  test("a wrong passphrase never replaces a vault", async () => {
    using world = testWorld();
    const home = `${world.dir}/home`;
    await editVault(world, home, { passphrase, edit: (contents) => addKey(contents, { name: "a", seed: key.seed, nowMs: 1 }), cost });
    const before = world.files.read("test", `${home}/vault`, { bytesMax: 100_000 });
    const failed = await editVault(world, home, {
      passphrase: () => Promise.resolve("another one"),
      edit: (contents) => addKey(contents, { name: "b", seed: testKey("b").seed, nowMs: 1 }),
      cost,
    }).catch((error: unknown) => isFault(error, "vault_unopenable"));
    expect(failed).toBe(true);
    expect(world.files.read("test", `${home}/vault`, { bytesMax: 100_000 })).toEqual(before);
  });
  test("who is asked for a passphrase holds nobody up, and nothing of what others wrote meanwhile is lost", async () => {
    using world = testWorld();
    const home = `${world.dir}/home`;
    const add = (name: string, ask: () => Promise<string>) =>
      editVault(world, home, { passphrase: ask, edit: (contents) => addKey(contents, { name, seed: testKey(name).seed, nowMs: 1 }), cost });
    await add("a", passphrase);
    let asked = 0;
    await add("b", async () => {
      asked += 1;
      world.files.lock("test", `${home}/lock`, 0).release(); // whoever waits for it would not wait here
      await add("c", passphrase);
      return passphrase();
    });
    expect([asked, (await readVault(world, home, passphrase)).keys.map(({ name }) => name)]).toEqual([1, ["a", "c", "b"]]);
  });
  test("of two commands that make the vault at once the second adds to the first one's", async () => {
    using world = testWorld();
    const home = `${world.dir}/home`;
    const add = (name: string, ask: () => Promise<string>) =>
      editVault(world, home, { passphrase: ask, edit: (contents) => addKey(contents, { name, seed: testKey(name).seed, nowMs: 1 }), cost });
    await add("a", async () => {
      await add("b", passphrase);
      return passphrase();
    });
    expect((await readVault(world, home, passphrase)).keys.map(({ name }) => name)).toEqual(["b", "a"]);
  });
  test("every write has a nonce of its own", async () => {
    using world = testWorld();
    const home = `${world.dir}/home`;
    const nonces = new Set<string>();
    for (const name of ["a", "b", "c"]) {
      await editVault(world, home, { passphrase, edit: (contents) => addKey(contents, { name, seed: testKey(name).seed, nowMs: 1 }), cost });
      nonces.add(JSON.parse(new TextDecoder().decode(world.files.read("test", `${home}/vault`, { bytesMax: 100_000 }))).nonce);
    }
    expect(nonces.size).toBe(3);
  });
});
