import { expect, test } from "bun:test";
import { fromBase64 } from "../../shared/core/bytes.ts";
import { wireBox } from "../../shared/sim/wire-box.ts";
import { testFleet, testHost, valueOf } from "../../shared/sim/test-fleet.ts";
import { type TestHub, testHub } from "../../shared/sim/test-hub.ts";
import { type TestWorkstation, testWorkstation } from "../../shared/sim/test-workstation.ts";
import { verifyHeldBundle } from "../../shared/trust/bundle.ts";
import { loadSealedBox } from "../../shared/trust/sealed-box.ts";
import { openSecrets } from "../../shared/trust/sealed-secrets.ts";
import { setSecret } from "../core/vault/edit-contents.ts";
import { editVault } from "../edge/vault.ts";

/** A fleet directory on its way to a real hub: what is signed, what is sealed for whom, what is sent again, and what stops it. */

const FILES: Readonly<Record<string, string>> = {
  "fleet.yaml": "name: test\n",
  "targets.yaml": "- match: 'true'\n  states: [base]\n",
  "states/base.yaml": "/etc/motd:\n  file:\n    content: hello\n",
};

async function writeFleet(hub: TestHub, files: Readonly<Record<string, string>>): Promise<string> {
  for (const [path, text] of Object.entries({ ...FILES, ...files })) await Bun.write(`${hub.world.dir}/fleet/${path}`, text);
  return `${hub.world.dir}/fleet`;
}

const publish = (desk: TestWorkstation, more = ""): ReturnType<TestWorkstation["run"]> =>
  desk.run(`publish fleet --yes -o json --message m --passphrase-file ${desk.passphraseFile} ${more}`);

async function approve(desk: TestWorkstation, hub: TestHub, name: string, labels: string): ReturnType<typeof wireBox> {
  const box = await wireBox(hub, name);
  const done = await desk.run(`host approve ${name} --words ${box.words} ${labels} --yes --passphrase-file ${desk.passphraseFile}`);
  if (done.code !== 0) throw new Error(done.stderr);
  return box;
}

test("the first bundle is signed, uploaded whole, and verifies; the second sends only what changed", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await writeFleet(hub, {});
  const first = await publish(desk);
  expect([first.code, JSON.parse(first.stdout)]).toEqual([0, expect.objectContaining({ version: 1, files: 3, uploaded: 3, secretsFor: 0 })]);
  await writeFleet(hub, { "states/base.yaml": "/etc/motd:\n  file:\n    content: changed\n" });
  expect(JSON.parse((await publish(desk)).stdout)).toMatchObject({
    version: 2,
    uploaded: 1,
    changes: { items: [{ path: "states/base.yaml", change: "content" }] },
  });
  expect(hub.hub.fleet.bundleVersion).toBe(2);
  const shown = await desk.run("bundle show");
  expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining("verified")]);
  expect((await desk.run("bundle diff --exit-code")).code).toBe(3);
  expect((await desk.run("bundle diff 1 1 --exit-code")).code).toBe(0);
});

test("a dry run needs no passphrase and leaves no trace", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await writeFleet(hub, {});
  const dry = await desk.run("publish fleet --dry-run --no-input");
  expect([dry.code, dry.stderr]).toEqual([0, expect.stringContaining("+ states/base.yaml")]);
  expect((await desk.run("bundle list -o name")).stdout).toBe("");
});

test("without an answer nothing is signed", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await writeFleet(hub, {});
  expect((await desk.run(`publish fleet --passphrase-file ${desk.passphraseFile}`, { answers: ["n"] })).code).toBe(1);
  expect((await desk.run(`publish fleet --no-input --passphrase-file ${desk.passphraseFile}`)).code).toBe(2);
  expect(hub.hub.fleet.bundleVersion).toBe(0);
});

test("a fleet directory with a fault is not published", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await writeFleet(hub, { "targets.yaml": "- match: 'true'\n  statse: [base]\n" });
  const done = await desk.run(`publish fleet --yes --passphrase-file ${desk.passphraseFile}`);
  expect([done.code, done.stderr]).toEqual([2, expect.stringContaining("targets.yaml")]);
  expect((await desk.run("publish nowhere --yes")).code).toBe(2);
});

test("secrets are sealed for whom the signed labels name, and open only there", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const [db, web] = [await approve(desk, hub, "db-1", "-l role=db"), await approve(desk, hub, "web-1", "-l role=web")];
  await writeFleet(hub, { "secrets.yaml": "db-password:\n  match: label.role == 'db'\n" });
  const without = await publish(desk);
  expect([without.code, without.stderr]).toEqual([1, expect.stringContaining("no value for db-password")]);
  await editVault(desk.world, desk.home, {
    passphrase: async () => (await Bun.file(desk.passphraseFile).text()).trim(),
    edit: (contents) => setSecret(contents, hub.fleet.root.payload.fleet_id, "db-password", "hunter2"),
  });
  expect(JSON.parse((await publish(desk)).stdout)).toMatchObject({ version: 1, hosts: 2, secretsFor: 1, unverified: [] });
  const { json } = await hub.ask("GET", "/api/v1/bundles/1", { token: await hub.logIn() });
  const bundle = valueOf(verifyHeldBundle({ envelope: json.item.envelope, root: hub.fleet.root }));
  expect(Object.keys(bundle.secrets)).toEqual([db.hostId]);
  const box = await loadSealedBox();
  expect(valueOf(openSecrets({ box, identity: hub.fleet.identity(db), boxKey: db.boxKey, bundle }))).toEqual({ "db-password": "hunter2" });
  expect(box.open(fromBase64(bundle.secrets[db.hostId] ?? "") ?? new Uint8Array(), web.boxKey).ok).toBe(false);
});

test("attack: a hub that swaps a box key or relabels a host gets no secret sealed to it", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await approve(desk, hub, "db-1", "-l role=db");
  const web = await approve(desk, hub, "web-1", "-l role=web");
  await writeFleet(hub, { "secrets.yaml": "db-password:\n  match: label.role == 'db'\n" });
  await editVault(desk.world, desk.home, {
    passphrase: async () => (await Bun.file(desk.passphraseFile).text()).trim(),
    edit: (contents) => setSecret(contents, hub.fleet.root.payload.fleet_id, "db-password", "hunter2"),
  });
  desk.intercept(async (request, send) => {
    const reply = await send();
    if (!/\/hosts(?:\?|\/h-)/.test(request.url)) return reply;
    const json = JSON.parse(new TextDecoder().decode(reply.body));
    // The list's labels are the hub's word; web-1's certificate is replaced by one with role=db, signed by keys of no root; db-1's by one with the hub's own box key.
    for (const item of json.items ?? []) item.labels = { role: "db" };
    if (json.item?.name === "web-1") json.item.host_cert = testFleet("evil").cert(testHost("web-1"), { name: "web-1", labels: { role: "db" } });
    if (json.item?.name === "db-1")
      json.item.host_cert = testFleet("evil").cert({ ...testHost("db-1"), boxKey: testHost("evil").boxKey }, { name: "db-1", labels: { role: "db" } });
    return { ...reply, body: new TextEncoder().encode(JSON.stringify(json)) };
  });
  const done = JSON.parse((await publish(desk)).stdout);
  expect(done).toMatchObject({ secretsFor: 0, unverified: [expect.stringContaining("db-1: unverified"), expect.stringContaining("web-1: unverified")] });
  desk.intercept(undefined);
  const { json } = await hub.ask("GET", "/api/v1/bundles/1", { token: await hub.logIn() });
  expect(valueOf(verifyHeldBundle({ envelope: json.item.envelope, root: hub.fleet.root })).secrets).toEqual({});
  expect(web.hostId).toMatch(/^h-/);
});

test("a number that was signed is never used twice, whatever the hub says is newest", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await writeFleet(hub, {});
  for (let version = 1; version <= 3; version += 1) await publish(desk);
  desk.intercept(async (request, send) => {
    const reply = await send();
    if (!/\/bundles\?/.test(request.url)) return reply;
    const json = JSON.parse(new TextDecoder().decode(reply.body));
    json.items = json.items.filter((item: { version: number }) => item.version === 1);
    return { ...reply, body: new TextEncoder().encode(JSON.stringify(json)) };
  });
  const withheld = await desk.run(`publish fleet --yes --message m --passphrase-file ${desk.passphraseFile}`);
  expect([withheld.code, withheld.stderr]).toEqual([0, expect.stringContaining("3 was signed here: it was restored from a backup, or it withholds")]);
  expect(hub.hub.fleet.bundleVersion).toBe(4);
});

test("a publication that breaks off leaves the old bundle in force and is finished by running it again", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await writeFleet(hub, {});
  await publish(desk);
  await writeFleet(hub, { "files/a": "a", "files/b": "b", "files/c": "c" });
  let puts = 0;
  desk.intercept((request, send) => (request.method === "PUT" && ++puts > 2 ? Promise.resolve({ status: 503, headers: {}, body: new Uint8Array() }) : send()));
  expect((await publish(desk)).code).toBe(75);
  expect(hub.hub.fleet.bundleVersion).toBe(1);
  desk.intercept(undefined);
  const again = JSON.parse((await publish(desk)).stdout);
  expect(again.uploaded).toBeLessThan(3);
  expect(hub.hub.fleet.bundleVersion).toBe(again.version);
});

test("a bundle that does not verify is named, and does not keep the next one from being published", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await writeFleet(hub, {});
  await publish(desk);
  desk.intercept(async (request, send) => {
    const reply = await send();
    if (!request.url.endsWith("/bundles/1")) return reply;
    const json = JSON.parse(new TextDecoder().decode(reply.body));
    json.item.envelope = testFleet("evil").bundle(1, {});
    return { ...reply, body: new TextEncoder().encode(JSON.stringify(json)) };
  });
  const shown = await desk.run("bundle show 1");
  expect([shown.code, shown.stderr]).toEqual([7, expect.stringContaining("Cannot believe the hub about bundle 1")]);
  expect(JSON.parse((await publish(desk)).stdout)).toMatchObject({
    version: 2,
    changes: { items: [{ change: "added" }, { change: "added" }, { change: "added" }] },
  });
});
