/**
 * A hub is a courier: after it has been set up, has taken a certificate, a published fleet and signed ops with their answers, neither its
 * memory nor its disk holds a key that operators or boxes sign with. The scanner has to find a planted one first.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readVault } from "../../operator/edge/vault.ts";
import { benchWorld } from "../../scripts/benches/hub-fixture.ts";
import { BINARY, RealFleet } from "../../scripts/fleet/real-fleet.ts";
import { fromBase64url } from "../../shared/core/bytes.ts";
import { scanDir, scanProcess, type Secret } from "../loopback/process-image.ts";

const TIMEOUT_MS = 120_000;
const cannot = process.getuid?.() !== 0 ? "it takes root to read another process" : existsSync(BINARY) ? undefined : "dist/felhom is not built";
const title = (text: string): string => (cannot === undefined ? text : `${text} [skipped: ${cannot}]`);

const wrapHub: string[] = [];
let fleet: RealFleet;
let secrets: readonly Secret[] = [];

beforeAll(async () => {
  if (cannot !== undefined) return;
  fleet = new RealFleet({ wrapHub });
  await fleet.start();
  const box = await fleet.addBox("box-1");
  const fleetDir = join(fleet.dir, "fleet");
  mkdirSync(join(fleetDir, "states"), { recursive: true });
  writeFileSync(join(fleetDir, "fleet.yaml"), "name: sample\n");
  writeFileSync(join(fleetDir, "targets.yaml"), '- match: "true"\n  states: [base]\n');
  writeFileSync(join(fleetDir, "states", "base.yaml"), `note:\n  file:\n    path: ${join(fleet.dir, "note")}\n    content: kept\n    mode: "0644"\n`);
  fleet.publish(fleetDir);
  const signed = ["--passphrase-file", fleet.passphraseFile];
  for (let at = 0; at < 3; at += 1) fleet.operator(["run", "box-1", "cmd.run", "--yes", ...signed, "--", "/bin/echo", String(at)]);
  const { keys } = await readVault(benchWorld(), fleet.home, () => Promise.resolve(readFileSync(fleet.passphraseFile, "utf8").trim()));
  secrets = [
    ...keys.map(({ name, seed }) => ({ name: `operator key ${name}`, seed: fromBase64url(seed) ?? new Uint8Array() })),
    ...["signing", "box"].map((name) => ({
      name: `box's ${name} key`,
      seed: Buffer.from(readFileSync(join(box.dataDir, "identity", `${name}.key`), "utf8").trim(), "hex"),
    })),
  ];
  expect(secrets.length).toBeGreaterThan(2);
  for (const { seed } of secrets) expect(seed.byteLength).toBe(32);
}, TIMEOUT_MS);
afterAll(() => (cannot === undefined ? fleet.stop() : undefined), TIMEOUT_MS);

test.skipIf(cannot !== undefined)(
  title("neither the memory nor the disk of a hub holds a signing key, and the scan finds planted ones"),
  async () => {
    const memory = scanProcess(fleet.pid("hub"), secrets);
    expect(memory.found).toEqual([]);
    expect(memory.bytes).toBeGreaterThan(20 * 1024 * 1024);
    const disk = scanDir(fleet.hubDir, secrets);
    expect(disk.found).toEqual([]);
    expect(disk.bytes).toBeGreaterThan(100 * 1024);

    const [first] = secrets;
    const planted = join(fleet.hubDir, "blobs", "planted");
    writeFileSync(planted, Buffer.concat([Buffer.alloc(5_000, 1), Buffer.from(first?.seed ?? [])]));
    expect(scanDir(fleet.hubDir, secrets).found).toEqual([first?.name ?? ""]);
    rmSync(planted);

    await fleet.kill("hub", "SIGKILL");
    wrapHub.push("env", `PLANTED=${Buffer.from(first?.seed ?? []).toString("hex")}`);
    await fleet.startHub();
    expect(scanProcess(fleet.pid("hub"), secrets).found).toEqual([first?.name ?? ""]);
  },
  TIMEOUT_MS,
);
