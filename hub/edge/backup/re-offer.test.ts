import { expect, test } from "bun:test";
import { PROTOCOL } from "../../../shared/protocol/version.ts";
import { admitted, credentialOf } from "../../../shared/sim/test-enrollment.ts";
import { testKey, testRootPayload } from "../../../shared/sim/test-fleet.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { testWorld } from "../../../shared/sim/test-world.ts";
import { rootPayload } from "../../../shared/trust/payloads.ts";
import { signPayload } from "../../../shared/trust/sign-payload.ts";
import { restoreBackup } from "./restore-backup.ts";
import { writeBackup } from "./write-backup.ts";

const sync = (hub: TestHub, token: string, hostId: string, parts: object) =>
  hub.ask("POST", "/agent/v1/sync", {
    token,
    body: { v: 1, protocol: PROTOCOL, host_id: hostId, boot_id: "boot-1", run: 1, agent_version: "0", wait_ms: 0, outbox: [], ...parts },
  });

test("S08: boxes give a hub that was restored from last week what it has forgotten, and nobody steps back", async () => {
  using out = testWorld();
  using before = await testHub();
  const token = await before.logIn();
  const host = await admitted(before, token, "web");
  const credential = await credentialOf(before, "e-web", host);
  await before.ask("POST", "/api/v1/bundles", { token, body: { envelope: before.fleet.bundle(1, {}) } });
  await writeBackup(before.world, { dataDir: before.world.dir, to: `${out.dir}/b.tar` });

  // After the backup: a new root, a new name, a new bundle. The box has them all; the hub is then lost.
  const keys = [before.fleet.key, testKey("second")];
  const roots = [signPayload("root", rootPayload, testRootPayload(keys, { fleet_id: before.fleet.root.payload.fleet_id, version: 2 }), keys)];
  const cert = before.fleet.cert(host, { serial: 2, name: "shop" });
  const bundle = before.fleet.bundle(2, {});
  const have = { root: 2, cert: 2, bundle: 2, spec: 1 };

  const { epoch } = await restoreBackup(before.world, { from: `${out.dir}/b.tar`, dataDir: `${out.dir}/data` });
  using hub = await testHub({ dataDir: `${out.dir}/data` });
  expect([hub.hub.fleet.rootVersion, hub.hub.fleet.bundleVersion, hub.hub.hosts.get(host.hostId)?.name]).toEqual([1, 1, "web"]);
  const first = await sync(hub, credential, host.hostId, { have, hub_epoch: 1 });
  expect([first.status, first.json.hub_epoch, first.json.want_offer]).toEqual([200, epoch, true]);
  expect([first.json.roots, first.json.bundle, first.json.host_cert]).toEqual([undefined, undefined, undefined]);
  const second = await sync(hub, credential, host.hostId, { have, hub_epoch: epoch, offer: { roots, cert, bundle } });
  expect([second.status, second.json.want_offer ?? false]).toEqual([200, false]);
  expect([hub.hub.fleet.rootVersion, hub.hub.fleet.bundleVersion, hub.hub.hosts.get(host.hostId)?.name]).toEqual([2, 2, "shop"]);
  const admin = await hub.logIn(testKey("second"));
  const audit = (await hub.ask("GET", "/api/v1/audit", { token: admin })).json.items;
  expect(audit.filter((row: { action: string }) => row.action === "offer.take").map((row: { target: string }) => row.target)).toEqual([
    "bundle",
    "host-cert",
    "root",
  ]);
  await hub.restart();
  expect([hub.hub.fleet.rootVersion, hub.hub.fleet.bundleVersion]).toEqual([2, 2]);
});
