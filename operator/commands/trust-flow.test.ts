/** Two operators change trust between them, each on a workstation of their own; the hub is not there, so files travel. */
import { describe, expect, test } from "bun:test";
import type { Call, ExitCode, Run } from "../../shared/cli/command.ts";
import { isFault } from "../../shared/core/fault.ts";
import { decodeJoinCode } from "../../shared/trust/join-code.ts";
import { DEFAULT_GLOBALS, fakeCall, type FakeTerminal, fakeTerminal } from "../../shared/sim/fake-terminal.ts";
import { testFleetId, valueOf } from "../../shared/sim/test-fleet.ts";
import { encodeEnvelope } from "../../shared/trust/envelope.ts";
import { type TestWorld, testWorld } from "../../shared/sim/test-world.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { signingKeyFromSeed } from "../../shared/trust/keys.ts";
import { rootPayload } from "../../shared/trust/payloads.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";
import { firstRoot } from "../core/trust/first-root.ts";
import { spellPublicKey } from "../core/trust/root-edit.ts";
import { addKey } from "../core/vault/edit-contents.ts";
import { KDF_RANGE } from "../core/vault/vault-file.ts";
import { editVault } from "../edge/vault.ts";
import { Workstation } from "../edge/workstation.ts";
import { run as joinCode } from "./join-code.ts";
import { run as keyExport } from "./key-export.ts";
import { run as keyList } from "./key-list.ts";
import { run as keyNew } from "./key-new.ts";
import { run as secretList } from "./secret-list.ts";
import { run as secretRemove } from "./secret-remove.ts";
import { run as secretSet } from "./secret-set.ts";
import { run as trustAdd } from "./trust-add.ts";
import { run as trustRemove } from "./trust-remove.ts";
import { run as trustRotate } from "./trust-rotate.ts";
import { run as trustShow } from "./trust-show.ts";
import { run as trustSign } from "./trust-sign.ts";
import { run as trustThreshold } from "./trust-threshold.ts";

const cost = { memoryKib: KDF_RANGE.memoryKib.least, passes: KDF_RANGE.passes.least };

/** One operator's desk: a home, a vault of small cost with one key, answers to questions. */
class Desk {
  readonly station: Workstation;
  readonly key;
  terminal: FakeTerminal = fakeTerminal();
  readonly #world: TestWorld;
  readonly #name: string;

  constructor(world: TestWorld, name: string) {
    this.#world = world;
    this.#name = name;
    this.station = new Workstation(world, `${world.dir}/${name}`);
    this.key = signingKeyFromSeed(world.crypto.randomBytes(32));
  }

  async unpack(): Promise<this> {
    await editVault(this.#world, this.station.home, {
      passphrase: () => Promise.resolve("a passphrase"),
      edit: (contents) => addKey(contents, { name: this.#name, seed: this.key.seed, nowMs: 1 }),
      cost,
    });
    return this;
  }

  begin(): void {
    const envelope = signPayload(
      "root",
      rootPayload,
      firstRoot({ fleetName: "shops", key: this.key, label: this.#name, fleetRandom: this.#world.crypto.randomBytes(10), nowMs: this.#world.clock.wallMs() }),
      [this.key],
    );
    this.station.pinFleet([envelope], sha256Hex(Buffer.from(envelope.payload, "base64")));
  }

  call(parts: {
    readonly args?: Call["args"];
    readonly options?: Call["options"];
    readonly globals?: Partial<Call["globals"]>;
    readonly answers?: readonly string[];
    readonly stdin?: Uint8Array;
  }): Call {
    this.terminal = fakeTerminal({ answers: parts.answers ?? ["a passphrase"], ...(parts.stdin === undefined ? {} : { stdin: parts.stdin }) });
    return fakeCall({
      world: this.#world,
      terminal: this.terminal,
      args: parts.args ?? {},
      options: parts.options ?? {},
      globals: { ...DEFAULT_GLOBALS, home: this.station.home, output: "json", yes: true, ...parts.globals },
      cwd: this.#world.dir,
    });
  }

  run(command: Run, parts: Parameters<Desk["call"]>[0] = {}): Promise<ExitCode> {
    return command(this.call(parts));
  }

  json(): Record<string, unknown> {
    return JSON.parse(this.terminal.stdout());
  }
}

const codeOf = (ran: Promise<unknown>) =>
  ran.then(
    () => "no fault",
    (error: unknown) => (isFault(error) ? error.code : String(error)),
  );

describe("trust between two operators", () => {
  test("one adds the other, both must sign then, and neither can go on alone", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    const ben = await new Desk(world, "ben").unpack();
    anna.begin();
    expect(await anna.run(trustAdd, { args: { name: "ben", key: spellPublicKey(ben.key.publicKey) }, options: {} })).toBe(0);
    // Two of two from now on: ben's signature is needed by the new root itself.
    expect(await anna.run(trustThreshold, { args: { role: "root", count: "2" }, options: { out: "root-3.json" } })).toBe(6);
    expect(anna.json()).toMatchObject({ inForce: false, signatures: { old: { have: 1, need: 1 }, new: { have: 1, need: 2 } } });
    expect(anna.station.fleet().newest.payload.version).toBe(2);
    expect(await codeOf(anna.run(trustRotate))).toBe("conflict");

    ben.station.pinFleet(anna.station.fleet().chain, anna.station.fleet().pin);
    expect(await ben.run(trustSign, { args: { file: "root-3.json" }, options: { out: "root-3-signed.json" } })).toBe(0);
    expect(ben.station.fleet().newest.payload.roles.root.threshold).toBe(2);

    expect(await anna.run(trustSign, { args: { file: "root-3-signed.json" } })).toBe(0);
    expect(anna.station.fleet().newest.hash).toBe(ben.station.fleet().newest.hash);
    expect(anna.station.fleet().pending).toBeUndefined();

    // Ben wants Anna out. Alone he is one of two.
    expect(await ben.run(trustRemove, { args: { key: "anna" }, options: {} }).catch((error: unknown) => (isFault(error) ? error.code : "?"))).toBe(
      "bad_request",
    );
    expect(await ben.run(trustThreshold, { args: { role: "root", count: "1" } })).toBe(6);
    expect(ben.station.fleet().newest.payload.version).toBe(3);
    expect(await ben.run(trustSign, { options: { discard: true } })).toBe(0);
    expect(ben.station.fleet().pending).toBeUndefined();
  });

  test("attack 18: what is shown before signing comes from the bytes that are signed", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    const mallory = await new Desk(world, "mallory").unpack();
    anna.begin();
    // A root made elsewhere, called harmless by whoever sent it.
    const evil = { ...anna.station.fleet().newest.payload, version: 2, hub_pins: ["A".repeat(43)] };
    const envelope = signPayload("root", rootPayload, evil, [mallory.key]);
    const handle = world.files.open("test", `${world.dir}/renewal-only.json`, "exclusive", 0o600);
    handle.write(new TextEncoder().encode(JSON.stringify({ ...envelope, note: "only renews the expiry" })));
    handle.close();
    expect(await codeOf(anna.run(trustSign, { args: { file: "renewal-only.json" }, globals: { yes: false, output: "table" }, answers: ["n"] }))).toBe(
      "cancelled",
    );
    expect(anna.terminal.stderr()).toContain(`+ hub key ${"A".repeat(43)}`);
    expect(anna.terminal.stderr()).not.toContain("only renews");
    expect(anna.station.fleet().newest.payload.version).toBe(1);
  });

  test("a root of another fleet, or one that does not follow the root in force, is refused before anybody is asked", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    anna.begin();
    const { payload } = anna.station.fleet().newest;
    const files = { "old.json": payload, "far.json": { ...payload, version: 3 }, "other.json": { ...payload, version: 2, fleet_id: testFleetId("other") } };
    for (const [file, root] of Object.entries(files)) {
      const handle = world.files.open("test", `${world.dir}/${file}`, "exclusive", 0o600);
      handle.write(encodeEnvelope(signPayload("root", rootPayload, root, [anna.key])));
      handle.close();
      expect([file, await codeOf(anna.run(trustSign, { args: { file }, globals: { yes: false }, answers: [] }))]).toEqual([file, "refused"]);
      expect(anna.terminal.questions()).toEqual([]);
    }
    expect(anna.station.fleet().pending).toBeUndefined();
  });

  test("a dry run shows the change, asks for no passphrase and writes nothing", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    anna.begin();
    expect(await anna.run(trustRotate, { globals: { dryRun: true }, answers: [] })).toBe(0);
    expect(anna.json()).toMatchObject({ dryRun: true, version: 2 });
    expect(anna.station.fleet().newest.payload.version).toBe(1);
  });

  test("a vault without a root key can't sign", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    const ben = await new Desk(world, "ben").unpack();
    anna.begin();
    ben.station.pinFleet(anna.station.fleet().chain, anna.station.fleet().pin);
    expect(await codeOf(ben.run(trustRotate))).toBe("denied");
    expect(ben.station.fleet().pending).toBeUndefined();
  });

  test("a lost key is replaced by one that signs for itself", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    const ben = await new Desk(world, "ben").unpack();
    anna.begin();
    expect(await anna.run(trustRotate, { args: { key: "anna" }, options: { by: spellPublicKey(ben.key.publicKey), name: "ben", out: "root-2.json" } })).toBe(6);
    ben.station.pinFleet(anna.station.fleet().chain, anna.station.fleet().pin);
    expect(await ben.run(trustSign, { args: { file: "root-2.json" } })).toBe(0);
    expect(Object.keys(ben.station.fleet().newest.payload.keys)).toEqual([ben.key.keyId]);
    expect(ben.json()).toMatchObject({ inForce: true, pushed: false });
  });

  test("the first signed hub key keeps the one in use", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    anna.begin();
    const [old, fresh] = [Buffer.alloc(32, 1).toString("base64url"), Buffer.alloc(32, 2).toString("base64url")];
    anna.station.saveContext({
      name: "shops",
      hubUrl: "https://hub.example.net",
      pins: [old],
      fleetId: anna.station.fleets()[0] ?? anna.station.fleet().fleetId,
    });
    expect(await anna.run(trustAdd, { options: { "hub-pin": [fresh] } })).toBe(0);
    expect(anna.station.fleet().newest.payload.hub_pins).toEqual([old, fresh]);
    expect(await anna.run(joinCode, { answers: [] })).toBe(0);
    expect(valueOf(decodeJoinCode(String(anna.json()["code"]))).pins).toEqual([old, fresh]);
    expect(await anna.run(trustRemove, { options: { "hub-pin": [old] } })).toBe(0);
    expect(anna.station.fleet().newest.payload.hub_pins).toEqual([fresh]);
  });

  test("trust show says what waits and what the hub knows", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    anna.begin();
    expect(await anna.run(trustShow, { answers: [] })).toBe(0);
    expect(anna.json()).toMatchObject({ kind: "Root", version: 1, pending: null, hub: "no hub is known for this fleet yet" });
    expect(await anna.run(trustShow, { answers: [], globals: { output: "table" } })).toBe(0);
    expect(anna.terminal.stdout()).toContain("every role");
  });
});

describe("keys and secrets", () => {
  test("the first key begins a fleet, a bad fleet name leaves nothing behind", async () => {
    using world = testWorld();
    const anna = new Desk(world, "anna");
    const answers = ["a passphrase", "a passphrase"];
    expect(await codeOf(anna.run(keyNew, { args: { name: "anna" }, options: { fleet: "Not A Name" }, answers }))).toBe("bad_request");
    expect(anna.station.fleets()).toEqual([]);
    expect(await codeOf(anna.run(keyNew, { args: { name: "anna" }, options: { fleet: "shops" }, answers: ["short", "short"] }))).toBe("bad_request");
    expect(await codeOf(anna.run(keyNew, { args: { name: "anna" }, options: { fleet: "shops" }, answers: ["a passphrase", "another one"] }))).toBe(
      "bad_request",
    );
    expect(anna.station.fleets()).toEqual([]);
    expect(await anna.run(keyNew, { args: { name: "anna" }, options: { fleet: "shops" }, answers })).toBe(0);
    expect(anna.station.fleet().newest.payload).toMatchObject({ fleet_name: "shops", version: 1 });
    expect(anna.json()).toMatchObject({ kind: "Key", name: "anna", fleet: { rootVersion: 1, rootHash: anna.station.fleet().pin } });
    expect(anna.terminal.stdout()).not.toContain("a passphrase");
  });

  test("a second fleet in one home is refused, a key for another operator's fleet is not", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    anna.begin();
    expect(await codeOf(anna.run(keyNew, { args: { name: "b" }, options: { fleet: "second" } }))).toBe("conflict");
    const ben = await new Desk(world, "ben").unpack();
    expect(await ben.run(keyNew, { args: { name: "b" }, options: { "no-fleet": true } })).toBe(0);
    expect([ben.station.fleets(), ben.json()["fleet"]]).toEqual([[], null]);
  });

  test("list and export give the public half; the secret one only into a new file, its name typed", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    anna.begin();
    expect(await anna.run(keyList)).toBe(0);
    const seed = Buffer.from(anna.key.seed).toString("hex");
    expect(anna.terminal.stdout()).toContain(anna.key.keyId);
    expect(anna.terminal.stdout()).not.toContain(Buffer.from(anna.key.seed).toString("base64url"));
    expect(await anna.run(keyExport, { args: { name: "anna" } })).toBe(0);
    expect(anna.json()["publicKey"]).toBe(spellPublicKey(anna.key.publicKey));
    expect(await codeOf(anna.run(keyExport, { args: { name: "anna" }, options: { "secret-to": "anna.key" }, answers: ["a passphrase", "ana"] }))).toBe(
      "cancelled",
    );
    expect(await anna.run(keyExport, { args: { name: "anna" }, options: { "secret-to": "anna.key" }, answers: ["a passphrase", "anna"] })).toBe(0);
    expect(world.files.stat("test", `${world.dir}/anna.key`)?.mode).toBe(0o600);
    expect(new TextDecoder().decode(world.files.read("test", `${world.dir}/anna.key`, { bytesMax: 100 }))).toBe(`${seed}\n`);
    expect(await codeOf(anna.run(keyExport, { args: { name: "anna" }, options: { "secret-to": "anna.key" }, answers: ["a passphrase", "anna"] }))).toBe(
      "file_exists",
    );
  });

  test("attack 28: a secret's value is in no output, and never taken from a flag", async () => {
    using world = testWorld();
    const anna = await new Desk(world, "anna").unpack();
    anna.begin();
    const value = "canary-1f2e3d";
    expect(await anna.run(secretSet, { args: { name: "smtp" }, answers: [value, "a passphrase"] })).toBe(0);
    const printed = [anna.terminal.stdout() + anna.terminal.stderr()];
    expect(await anna.run(secretSet, { args: { name: "smtp" }, options: { from: "-" }, stdin: new TextEncoder().encode(`${value}\n`) })).toBe(0);
    expect(anna.json()).toMatchObject({ replaced: true });
    printed.push(anna.terminal.stdout() + anna.terminal.stderr());
    expect(await anna.run(secretList)).toBe(0);
    expect(anna.json()).toMatchObject({ items: [{ name: "smtp", characters: value.length }] });
    printed.push(anna.terminal.stdout() + anna.terminal.stderr(), JSON.stringify(world.logged));
    expect(await anna.run(secretRemove, { args: { name: "smtp" } })).toBe(0);
    expect(await codeOf(anna.run(secretRemove, { args: { name: "smtp" } }))).toBe("not_found");
    expect(printed.join("")).not.toContain(value);
    for (const bad of ["Not A Name", "../x", ""]) expect(await codeOf(anna.run(secretSet, { args: { name: bad }, answers: [value] }))).toBe("bad_request");
    expect(await codeOf(anna.run(secretSet, { args: { name: "x" }, answers: [""] }))).toBe("bad_request");
  });
});
