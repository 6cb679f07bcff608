import { expect, test } from "bun:test";
import type { NetReply } from "../../shared/ports/net.ts";
import { wireBox } from "../../shared/sim/wire-box.ts";
import { testFleet, testHost } from "../../shared/sim/test-fleet.ts";
import { testHub } from "../../shared/sim/test-hub.ts";
import { testWorkstation } from "../../shared/sim/test-workstation.ts";

/** From a box that asks to a host that is labelled, watched and revoked, on a real hub; and what a hostile hub gets: nothing signed. */

/** Whatever came: what a test looks into. */
type Loose = ReturnType<typeof JSON.parse>;

const edited = (reply: NetReply, change: (json: Loose) => void): NetReply => {
  const json = JSON.parse(new TextDecoder().decode(reply.body));
  change(json);
  return { ...reply, body: new TextEncoder().encode(JSON.stringify(json)) };
};

test("a box is approved by its words, and only by them", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "kovacs-1");
  const pass = `--passphrase-file ${desk.passphraseFile}`;
  expect((await desk.run("host list --pending -o json")).stdout).toContain(box.words);
  expect(await desk.run(`host approve kovacs-1 --yes ${pass}`)).toMatchObject({ code: 2 });
  expect(await desk.run(`host approve kovacs-1 --words a-b-c-d-e --yes ${pass}`)).toMatchObject({ code: 7 });
  expect(await desk.run(`host approve kovacs-1 ${pass}`)).toMatchObject({ code: 2 }); // nobody to ask
  expect(await desk.run(`host approve kovacs-1 ${pass}`, { answers: ["no"] })).toMatchObject({ code: 1 });
  expect((await desk.run(`host approve kovacs-1 --words ${box.words} --dry-run`)).code).toBe(0);
  expect((await desk.run("host list -o name")).stdout).toBe("");
  const done = await desk.run(`host approve kovacs-1 --words ${box.words} --label site=kovacs -l role=web --yes ${pass}`);
  expect([done.code, done.stdout]).toEqual([0, expect.stringContaining("kovacs-1 approved")]);
  await box.collect();
  await box.sync({ report: {} });
  expect(JSON.parse((await desk.run("host show kovacs-1 -o json")).stdout)).toMatchObject({
    identity: { verified: true, serial: 1, labels: { site: "kovacs", role: "web" } },
    report: { verified: true },
  });
  expect(await desk.run(`host approve kovacs-1 --words ${box.words} ${pass}`)).toMatchObject({ code: 1 }); // nobody asks any more
});

test("an interactive approval shows the words that it computed itself", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "pve");
  const done = await desk.run(`host approve pve --name kovacs-1 --passphrase-file ${desk.passphraseFile}`, { answers: ["y"] });
  expect(done.code).toBe(0);
  expect(done.terminal.questions()[0]).toContain(box.words);
  expect((await desk.run("host list -o name")).stdout).toBe("kovacs-1\n");
});

test("two boxes of one name: the words choose, and a taken name is refused", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const good = await wireBox(hub, "pve");
  const pass = `--passphrase-file ${desk.passphraseFile}`;
  // The same name from other keys: somebody else's box, or the box of an attacker.
  const twin = await wireBox(hub, "twin", {}, "pve");
  expect((await desk.run(`host approve pve --yes ${pass}`, { answers: ["y"] })).code).toBe(9);
  expect((await desk.run("host list --pending")).stdout).toContain(`! same name as ${twin.requestId}`);
  expect((await desk.run(`host approve pve --words ${good.words} --yes ${pass}`)).code).toBe(0);
  expect(JSON.parse((await desk.run("host show pve -o json")).stdout).id).toBe(good.hostId);
  expect((await desk.run(`host approve pve --words ${twin.words} --yes ${pass}`)).stderr).toContain("a second host by the name pve");
  const late = await wireBox(hub, "other");
  const clash = await desk.run(`host approve other --name pve --words ${late.words} --yes ${pass}`);
  expect([clash.code, clash.stderr]).toEqual([9, expect.stringContaining("a second host by the name pve")]);
});

test("a hub that swaps a key in a request gets no certificate", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "kovacs-1");
  const evil = testHost("evil");
  desk.intercept(async (request, send) => {
    const reply = await send();
    if (!request.url.includes("/enrollments?")) return reply;
    return edited(reply, (json) => {
      for (const item of json.items)
        item.statement = item.statement.replace(/"box_key":"[^"]*"/, `"box_key":"${Buffer.from(evil.boxKey.publicKey).toString("base64url")}"`);
    });
  });
  const list = JSON.parse((await desk.run("host list --pending -o json")).stdout);
  expect(list.items[0]).toMatchObject({ verified: false, refusal: "signature_bad" });
  expect(list.items[0].words).toBeUndefined();
  const id = list.items[0].id;
  const tried = await desk.run(`host approve ${id} --words ${box.words} --yes --passphrase-file ${desk.passphraseFile}`);
  expect([tried.code, tried.stderr]).toEqual([7, expect.stringContaining("signature_bad")]);
});

test("a hub that offers its own box under the name of another shows other words", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "kovacs-1");
  using evilHub = await testHub();
  await evilHub.setUp();
  const impostor = await wireBox(evilHub, "kovacs-1-evil");
  const evilToken = await evilHub.logIn();
  const { json } = await evilHub.ask("GET", "/api/v1/enrollments?state=pending", { token: evilToken });
  desk.intercept(async (request, send) => {
    const reply = await send();
    return request.url.includes("/enrollments?") ? edited(reply, (body) => void (body.items = json.items)) : reply;
  });
  expect(impostor.words).not.toBe(box.words);
  expect((await desk.run(`host approve kovacs-1-evil --words ${box.words} --yes --passphrase-file ${desk.passphraseFile}`)).code).toBe(7);
});

test("a relabel is signed from the verified certificate only, with the next serial", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "kovacs-1");
  const pass = `--passphrase-file ${desk.passphraseFile}`;
  await desk.run(`host approve kovacs-1 --words ${box.words} -l role=web --yes ${pass}`);
  expect((await desk.run("host label kovacs-1")).stdout).toContain("role=web");
  const cancelled = await desk.run(`host label kovacs-1 role=db ${pass}`, { answers: [""] });
  expect(cancelled.code).toBe(1);
  const done = JSON.parse((await desk.run(`host label kovacs-1 role=db tier=1 --yes -o json ${pass}`)).stdout);
  expect(done).toMatchObject({ serial: 2, labels: { role: "db", tier: "1" }, before: { labels: { role: "web" } } });
  desk.intercept(async (request, send) => {
    const reply = await send();
    if (!/\/hosts\/h-/.test(request.url)) return reply;
    // Signed by a key that is not in the root: what a hub would have to do to move the secrets of role=db to its own box.
    return edited(reply, (json) => void (json.item.host_cert = testFleet("evil").cert(testHost("kovacs-1"), { name: "kovacs-1", labels: { role: "db" } })));
  });
  const lied = await desk.run(`host label kovacs-1 role=web --yes ${pass}`);
  expect([lied.code, lied.stderr]).toEqual([7, expect.stringContaining("refused")]);
  const shown = await desk.run("host show kovacs-1");
  expect([shown.code, shown.stdout]).toEqual([7, expect.stringContaining("unverified: key_unknown")]);
});

test("a forged report is shown as unverified, and the exit code says so", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "kovacs-1");
  await desk.run(`host approve kovacs-1 --words ${box.words} --yes --passphrase-file ${desk.passphraseFile}`);
  await box.collect();
  await box.sync({ report: {} });
  desk.intercept(async (request, send) => {
    const reply = await send();
    if (!/\/hosts\/h-/.test(request.url)) return reply;
    return edited(reply, (json) => {
      const report = JSON.parse(Buffer.from(json.item.report.payload, "base64").toString());
      report.counts.failed = 9;
      json.item.report.payload = Buffer.from(JSON.stringify(report)).toString("base64");
    });
  });
  const shown = await desk.run("host show kovacs-1");
  expect([shown.code, shown.stdout]).toEqual([7, expect.stringContaining("unverified: signature_bad")]);
  expect(shown.stdout).not.toContain("9 failed");
});

test("host list --verify holds each line against what was signed", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  for (const name of ["a", "b"]) {
    const box = await wireBox(hub, name);
    await desk.run(`host approve ${name} --words ${box.words} -l role=web --yes --passphrase-file ${desk.passphraseFile}`);
    await box.collect();
    await box.sync({ report: {} }, { bundle: 0 });
  }
  const honest = await desk.run("host list --verify");
  expect([honest.code, honest.stdout]).toEqual([0, expect.stringContaining("All of it fits with what was signed")]);
  const lies: readonly (readonly [what: string, change: (item: Loose) => void, url: RegExp, said: string])[] = [
    ["name", (item) => void (item.name = "z"), /\/hosts\?/, "the hub calls it z, its certificate b"],
    ["labels", (item) => void (item.labels = { role: "db" }), /\/hosts\?/, "other labels"],
    ["results", (item) => void (item.counts.failed = 3), /\/hosts\/h-/, "other results"],
    ["bundle", (item) => void (item.bundle_in_force = 7), /\/hosts\/h-/, "another bundle"],
    ["no certificate", (item) => void (item.host_cert = null), /\/hosts\/h-/, "no certificate"],
  ];
  const { items } = JSON.parse((await desk.run("host list -o json")).stdout);
  const second: string = items[1].id;
  for (const [what, change, url, said] of lies) {
    desk.intercept(async (request, send) => {
      const reply = await send();
      if (!url.test(request.url)) return reply;
      return edited(reply, (json) => {
        for (const item of json.items ?? [json.item]) if (item.host_id === second) change(item);
      });
    });
    const caught = await desk.run("host list --verify -o json");
    const shown = JSON.parse(caught.stdout).items.filter((item: Loose) => item.verified === false);
    expect([what, caught.code, shown.length, shown[0]?.id, shown[0]?.unverifiedBecause]).toEqual([what, 7, 1, second, expect.stringContaining(said)]);
  }
});

test("a spec is written only over the generation that was read", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "kovacs-1");
  await desk.run(`host approve kovacs-1 --words ${box.words} --yes --passphrase-file ${desk.passphraseFile}`);
  const edit = await desk.run(["host", "spec", "kovacs-1", "--mode", "monitor", "--apply-window", "daily 02:00-05:00", "--yes", "-o", "json"]);
  expect(JSON.parse(edit.stdout)).toMatchObject({ mode: "monitor", applyWindows: [{ from: "02:00", to: "05:00" }] });
  let raced = false;
  desk.intercept(async (request, send) => {
    if (request.method === "PUT" && !raced) {
      raced = true;
      const other = await desk.run("host spec kovacs-1 --interval 10m --yes");
      expect(other.code).toBe(0);
    }
    return send();
  });
  const late = await desk.run("host spec kovacs-1 --mode enforce --yes");
  expect([late.code, late.stderr]).toEqual([9, expect.stringContaining("somebody else changed it")]);
  desk.intercept(undefined);
  expect(JSON.parse((await desk.run("host spec kovacs-1 -o json")).stdout)).toMatchObject({ mode: "monitor", intervalS: 600 });
});

test("a destructive edit is warned of by the box's own table, waits for signatures, and can be taken back", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "kovacs-1");
  await desk.run(`host approve kovacs-1 --words ${box.words} --yes --passphrase-file ${desk.passphraseFile}`);
  const warning = expect.stringMatching(/retire can't be undone: kovacs-1 holds that back, as awaiting signature, until 1 of the 1 key with role destroy/);
  const dry = await desk.run("host spec kovacs-1 --retire --dry-run");
  expect([dry.code, dry.stderr]).toEqual([0, warning]);
  const edit = await desk.run("host spec kovacs-1 --mode monitor --retire --yes -o json");
  expect(edit.code).toBe(6);
  expect(JSON.parse(edit.stdout)).toMatchObject({ generation: 2, mode: "monitor", retire: true, awaitsSignature: ["retire"] });
  const later = await desk.run("host spec kovacs-1 --mode enforce --yes -o json");
  expect([later.code, JSON.parse(later.stdout)]).toEqual([0, expect.objectContaining({ retire: true, awaitsSignature: [] })]);
  const back = await desk.run("host spec kovacs-1 --no-retire --yes -o json");
  expect([back.code, JSON.parse(back.stdout).retire, (await desk.run("host spec kovacs-1 --retire --no-retire --yes")).code]).toEqual([0, false, 2]);
});

test("revoking needs the name, and a revoked host leaves the list", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "kovacs-1");
  await desk.run(`host approve kovacs-1 --words ${box.words} --yes --passphrase-file ${desk.passphraseFile}`);
  expect((await desk.run("host revoke kovacs-1 --yes")).code).toBe(2);
  expect((await desk.run("host revoke kovacs-1", { answers: ["y"] })).code).toBe(1);
  expect((await desk.run("host revoke kovacs-1 --confirm kovacs-1 --no-input")).code).toBe(0);
  expect((await desk.run("host list -o name")).stdout).toBe("");
  expect((await desk.run("host list --all -o name")).stdout).toBe("kovacs-1\n");
});

test("a rejected request is gone", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await wireBox(hub, "pve");
  expect((await desk.run("host reject pve --yes --reason no")).code).toBe(0);
  expect(JSON.parse((await desk.run("host list --pending -o json")).stdout).items).toEqual([]);
});
