/** Trust, grants and join codes against a real hub: what is signed here reaches it, and what it plays back does not reach us. */
import { describe, expect, test } from "bun:test";
import { TEST_HUB_URL, type TestWorkstation, testWorkstation } from "../../shared/sim/test-workstation.ts";
import { type TestHub, testHub } from "../../shared/sim/test-hub.ts";
import { FLEET_MADE_MS, testKey, valueOf } from "../../shared/sim/test-fleet.ts";
import { wireBox } from "../../shared/sim/wire-box.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import type { Envelope } from "../../shared/protocol/fields.ts";
import { grantIdOf } from "../../shared/trust/grant-id.ts";
import { verifyHostCert } from "../../shared/trust/host-identity.ts";
import { decodeJoinCode } from "../../shared/trust/join-code.ts";
import { signingKeyFromSeed } from "../../shared/trust/keys.ts";
import { spellPublicKey } from "../core/trust/root-edit.ts";
import { addKey, setSecret } from "../core/vault/edit-contents.ts";
import { editVault } from "../edge/vault.ts";
import { rememberRevoked } from "../edge/known-hosts.ts";
import { Workstation } from "../edge/workstation.ts";

const second = testKey("second operator");
const PASS = (desk: TestWorkstation): string => `--passphrase-file ${desk.passphraseFile}`;

async function withSecondKey(desk: TestWorkstation): Promise<void> {
  const passphrase = async (): Promise<string> => (await Bun.file(desk.passphraseFile).text()).trim();
  await editVault(desk.world, desk.home, { passphrase, edit: (contents) => addKey(contents, { name: "second", seed: second.seed, nowMs: FLEET_MADE_MS }) });
}

async function approve(desk: TestWorkstation, hub: TestHub, name: string, more = ""): Promise<void> {
  const box = await wireBox(hub, name);
  const done = await desk.run(`host approve ${name} --words ${box.words} ${more} --yes ${PASS(desk)}`);
  if (done.code !== 0) throw new Error(done.stderr);
}

const json = (text: string): Record<string, unknown> => JSON.parse(text);

describe("the root and the hub", () => {
  test("a changed root is pushed at once; made while the hub is away it waits, and the next signing sends it", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub);
    const done = await desk.run(`trust rotate --yes --json ${PASS(desk)}`);
    expect([done.code, json(done.stdout)]).toEqual([0, expect.objectContaining({ version: 2, inForce: true, pushed: true })]);
    expect(hub.hub.fleet.root?.payload.version).toBe(2);
    const { newest } = valueOf(decodeJoinCode(String(json((await desk.run("join-code --json")).stdout)["code"])));
    expect(newest).toEqual({ version: 2, hash: new Workstation(desk.world, desk.home).fleet().newest.hash });

    const station = new Workstation(desk.world, desk.home);
    const session = station.session("test");
    station.removeSession("test");
    const away = await desk.run(`trust rotate --yes --json ${PASS(desk)}`);
    expect([away.code, json(away.stdout)]).toEqual([0, expect.objectContaining({ version: 3, inForce: true, pushed: false })]);
    expect(hub.hub.fleet.root?.payload.version).toBe(2);
    if (session !== undefined) station.saveSession("test", session);
    expect((await desk.run(`trust sign --json ${PASS(desk)}`)).code).toBe(0);
    expect(hub.hub.fleet.root?.payload.version).toBe(3);
  });

  test("a hub that shows a root of its own stops every change", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub);
    const mallory = signingKeyFromSeed(testKey("mallory").seed);
    desk.intercept(async (request, send) => {
      const reply = await send();
      if (request.method !== "GET" || !request.url.endsWith("/api/v1/roots")) return reply;
      const body = JSON.parse(new TextDecoder().decode(reply.body));
      const [first] = body.items as readonly Envelope[];
      const forged = {
        ...first,
        signatures: [{ keyid: mallory.keyId, sig: first?.signatures[0]?.sig ?? "" }],
        payload: Buffer.from(
          Buffer.from(first?.payload ?? "", "base64")
            .toString()
            .replace('"version":1', '"version":2'),
        ).toString("base64"),
      };
      return { ...reply, body: utf8(JSON.stringify({ ...body, items: [first, forged] })) };
    });
    const done = await desk.run(`trust rotate --yes ${PASS(desk)}`);
    expect([done.code, done.stderr]).toEqual([7, expect.stringContaining("refused")]);
    expect(new Workstation(desk.world, desk.home).fleet().newest.payload.version).toBe(1);
  });
});

describe("a key goes", () => {
  test("its certificates are signed again before it leaves, and no box has to enroll anew", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub);
    await withSecondKey(desk);
    await approve(desk, hub, "web-1", "-l role=web");
    expect((await desk.run(`trust add second ${spellPublicKey(second.publicKey)} --yes ${PASS(desk)}`)).code).toBe(0);
    const dry = await desk.run(`trust remove test --dry-run ${PASS(desk)}`);
    expect(dry.stdout).toContain("trust resign --before-removing");
    const resigned = await desk.run(`trust resign --before-removing test --yes --json ${PASS(desk)}`);
    expect([resigned.code, json(resigned.stdout)]).toEqual([
      0,
      expect.objectContaining({ signed: 1, items: [expect.objectContaining({ name: "web-1", serial: 2 })] }),
    ]);
    expect((await desk.run(`trust remove test --yes ${PASS(desk)}`)).code).toBe(0);
    const { newest } = new Workstation(desk.world, desk.home).fleet();
    // The session ended with its key; the new key logs in.
    expect((await desk.run(`login --hub ${TEST_HUB_URL} ${PASS(desk)}`)).code).toBe(0);
    const shown = json((await desk.run("host show web-1 --json")).stdout);
    expect(JSON.stringify(shown)).not.toContain("unverified");
    expect(newest.payload.roles.admit.keys).toEqual([second.keyId]);
    expect(json((await desk.run(`trust resign --yes --json ${PASS(desk)}`)).stdout)).toMatchObject({ signed: 0, items: [], unverified: [] });
  }, 240_000);

  test("a lost key's certificates are signed again afterwards, from the root that knew it", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub);
    await withSecondKey(desk);
    await approve(desk, hub, "web-1", "-l role=web");
    expect((await desk.run(`trust rotate test --by ${spellPublicKey(second.publicKey)} --name second --yes ${PASS(desk)}`)).code).toBe(0);
    expect((await desk.run(`login --hub ${TEST_HUB_URL} ${PASS(desk)}`)).code).toBe(0);
    const dry = await desk.run(`trust resign --dry-run ${PASS(desk)}`);
    expect([dry.code, dry.stdout]).toEqual([0, expect.stringContaining("web-1")]);
    const done = await desk.run(`trust resign --yes --json ${PASS(desk)}`);
    expect([done.code, json(done.stdout)]).toEqual([0, expect.objectContaining({ signed: 1 })]);
    const token = await hub.logIn(second);
    const { items } = (await hub.ask("GET", "/api/v1/hosts", { token })).json;
    const detail = (await hub.ask("GET", `/api/v1/hosts/${items[0].host_id}`, { token })).json;
    const { newest } = new Workstation(desk.world, desk.home).fleet();
    expect(valueOf(verifyHostCert((detail.item ?? detail).host_cert, newest))).toMatchObject({ serial: 2, labels: { role: "web" } });
  }, 240_000);
});

describe("a hub that plays back the past", () => {
  async function withSecrets(hub: TestHub, desk: TestWorkstation): Promise<void> {
    const passphrase = async (): Promise<string> => (await Bun.file(desk.passphraseFile).text()).trim();
    await editVault(desk.world, desk.home, { passphrase, edit: (contents) => setSecret(contents, hub.fleet.root.payload.fleet_id, "db-password", "s3cret") });
    for (const [path, text] of Object.entries({
      "fleet.yaml": "name: test\n",
      "targets.yaml": "- match: 'true'\n  states: [base]\n",
      "states/base.yaml": "/etc/motd:\n  file:\n    content: hello\n",
      "secrets.yaml": "db-password:\n  match: label.role == 'db'\n",
    })) {
      await Bun.write(`${hub.world.dir}/fleet/${path}`, text);
    }
  }
  const publish = (desk: TestWorkstation) => desk.run(`publish fleet --yes --json --message m ${PASS(desk)}`);

  test("gets a relabelled box no secret by its old certificate", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub);
    await withSecrets(hub, desk);
    await approve(desk, hub, "box-1", "-l role=db");
    const token = await hub.logIn();
    const id: string = (await hub.ask("GET", "/api/v1/hosts", { token })).json.items[0].host_id;
    const old = (await hub.ask("GET", `/api/v1/hosts/${id}`, { token })).json;
    expect(json((await publish(desk)).stdout)).toMatchObject({ secretsFor: 1 });
    expect((await desk.run(`host label box-1 role=web --yes ${PASS(desk)}`)).code).toBe(0);
    desk.intercept(async (request, send) =>
      request.method === "GET" && request.url.endsWith(`/api/v1/hosts/${id}`)
        ? { status: 200, headers: { "content-type": "application/json" }, body: utf8(JSON.stringify(old)) }
        : send(),
    );
    const done = await publish(desk);
    expect([done.code, json(done.stdout)]).toEqual([0, expect.objectContaining({ secretsFor: 0, unverified: [expect.stringContaining("below_floor")] })]);
  }, 240_000);

  test("gets a revoked box no secret by forgetting its revocation", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub);
    await withSecrets(hub, desk);
    await approve(desk, hub, "box-1", "-l role=db");
    desk.intercept((request, send) =>
      request.url.includes("/revoke") ? Promise.resolve({ status: 200, headers: { "content-type": "application/json" }, body: utf8("{}") }) : send(),
    );
    expect((await desk.run(`host revoke box-1 --confirm box-1`)).code).toBe(0);
    desk.intercept(undefined);
    const done = await publish(desk);
    expect([done.code, json(done.stdout)]).toEqual([0, expect.objectContaining({ secretsFor: 0, unverified: [expect.stringContaining("host_revoked")] })]);
  }, 240_000);
});

test("keys that were revoked here are not approved again, whatever the hub remembers", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "box-1");
  const station = new Workstation(desk.world, desk.home);
  const [asked] = (await hub.ask("GET", "/api/v1/enrollments?state=pending", { token: await hub.logIn() })).json.items;
  rememberRevoked(desk.world, desk.home, station.fleet().fleetId, asked.host_id);
  const done = await desk.run(`host approve box-1 --words ${box.words} --yes ${PASS(desk)}`);
  expect([done.code, done.stderr]).toEqual([9, expect.stringContaining("revoked on this workstation")]);
}, 240_000);

describe("grants and join codes", () => {
  test("a grant is signed, reaches the hub, and its code carries its token; revoked, it lets nobody in", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub);
    const made = await desk.run(`grant create --uses 2 --expires 3d -l site=gyor --yes --json ${PASS(desk)}`);
    expect([made.code, json(made.stdout)]).toEqual([0, expect.objectContaining({ kind: "Grant", uses: 2, labels: { site: "gyor" } })]);
    const { id, code } = json(made.stdout);
    const { token, fleetId, rootHash } = valueOf(decodeJoinCode(String(code)));
    expect([fleetId, String(rootHash)]).toEqual([hub.fleet.root.payload.fleet_id, String(hub.fleet.root.hash)]);
    expect(String(id)).toBe(grantIdOf(signingKeyFromSeed(token ?? new Uint8Array(32)).publicKey));
    expect(json((await desk.run(`join-code --grant ${String(id)} --json ${PASS(desk)}`)).stdout)["code"]).toBe(code);
    expect(json((await desk.run("join-code --json")).stdout)).toMatchObject({ grant: null, hub: TEST_HUB_URL });
    expect((await desk.run(`join-code --grant g-other ${PASS(desk)}`)).code).toBe(1);
    expect(json((await desk.run("grant list --json")).stdout)).toMatchObject({ items: [{ id, state: "open", used: 0, uses: 2 }] });
    const revoked = await desk.run(`grant revoke ${String(id)} --yes --json`);
    expect([revoked.code, json(revoked.stdout)]).toEqual([0, expect.objectContaining({ revoked: true })]);
    expect(json((await desk.run("grant list --json")).stdout)).toMatchObject({ items: [{ state: "revoked" }] });
    expect((await desk.run("grant revoke g-nothing --yes")).code).toBe(1);
  }, 240_000);

  test("bad numbers and times make no grant, and a dry run signs none", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub);
    for (const bad of ["--uses 0", "--uses 1000000", "--uses many", "--expires 2y", "--expires 5s", "--expires soon"])
      expect([bad, (await desk.run(`grant create ${bad} --yes ${PASS(desk)}`)).code]).toEqual([bad, 2]);
    expect((await desk.run("grant create --dry-run")).code).toBe(0);
    expect(json((await desk.run("grant list --json")).stdout)["items"]).toEqual([]);
  }, 240_000);
});
