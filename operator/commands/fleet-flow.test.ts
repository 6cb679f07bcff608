import { describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { collectFacts } from "../../agent/edge/facts/collect-facts.ts";
import { readFleetSources } from "../../shared/states/fleet-directory.ts";
import { render } from "../../shared/states/render.ts";
import { SAMPLE_FACTS } from "../../shared/states/sample-facts.ts";
import { type TestHub, testHub } from "../../shared/sim/test-hub.ts";
import { type TestWorkstation, testWorkstation } from "../../shared/sim/test-workstation.ts";
import { testWorld } from "../../shared/sim/test-world.ts";
import { wireBox, type WireBox } from "../../shared/sim/wire-box.ts";

/** A fleet directory from nothing: written, checked, planned against a real hub. */

const write = async (hub: TestHub, files: Readonly<Record<string, string>>) => {
  for (const [path, text] of Object.entries(files)) await Bun.write(`${hub.world.dir}/fleet/${path}`, text);
};

describe("init", () => {
  test("writes a fleet that checks without a fault or a note, and renders for a box with and without the role", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub, { loggedIn: false });
    const made = await desk.run("init fleet");
    expect([made.code, made.stdout, made.stderr]).toEqual([0, expect.stringContaining("✓ fleet fleet"), expect.stringContaining("felhom check fleet")]);
    const checked = await desk.run("check fleet -o json");
    expect([checked.code, JSON.parse(checked.stdout)]).toEqual([0, expect.objectContaining({ ok: true, name: "fleet", states: 3, faults: [], notes: [] })]);
    const tree = readFleetSources(hub.world.files, `${hub.world.dir}/fleet`);
    if (!tree.ok) throw new Error("the fleet cannot be read");
    const idsFor = async (labels: Readonly<Record<string, string>>) => {
      const verdict = await render({
        files: tree.value.sources,
        paths: tree.value.paths,
        host: { id: "h-x", name: "a" },
        labels,
        facts: SAMPLE_FACTS,
        secrets: {},
      });
      return verdict.ok ? verdict.resources.map(({ id }) => id) : verdict.faults;
    };
    const base = ["file//etc/motd", "directory//usr/local/share/felhom-example", "file//usr/local/share/felhom-example/welcome.txt"];
    expect(await idsFor({})).toEqual(base);
    expect(await idsFor({ role: "web" })).toEqual([
      ...base,
      "file//usr/local/share/felhom-example/web.txt",
      "package/nginx-packages",
      "directory//var/www/felhom",
      "file//var/www/felhom/index.html",
      "file//etc/nginx/sites-enabled/default",
      "service/nginx",
    ]);
  });

  test("overwrites nothing, and renews only what editors read", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub, { loggedIn: false });
    expect((await desk.run("init fleet --dry-run")).code).toBe(0);
    expect((await desk.run("check fleet")).code).toBe(2);
    await write(hub, { "states/base.yaml": "mine" });
    expect(await desk.run("init fleet")).toMatchObject({ code: 1, stderr: expect.stringContaining("states/base.yaml is there already") });
    expect(await desk.run("init fleet --editor-files")).toMatchObject({ code: 1, stderr: expect.stringContaining("has no fleet.yaml") });
    await write(hub, { "fleet.yaml": "name: mine\n" });
    expect((await desk.run("init fleet --editor-files")).code).toBe(0);
    expect(await Bun.file(`${hub.world.dir}/fleet/fleet.yaml`).text()).toBe("name: mine\n");
    expect(JSON.parse(await Bun.file(`${hub.world.dir}/fleet/.felhom/state.schema.json`).text())).toHaveProperty("additionalProperties.properties.file");
  });
});

describe("check", () => {
  test("names file, line and path of everything at once, and exits 2", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub, { loggedIn: false });
    await desk.run("init fleet");
    await write(hub, {
      "targets.yaml": '- match: "true"\n  states: [base]\n- match: lable.role == "web"\n  states: [wbe]\n',
      "secrets.yaml": "pw:\n  match: fact.os.id == 'debian'\n",
      "states/unused.yaml": "/x:\n  file: { mode: 0644 }\n  onlyIf: label.role = 1\na: {}\n",
      "settings/common.yaml": "a: 1\na: 2\n",
      "states/web.yml": "{}\n",
    });
    rmSync(`${hub.world.dir}/fleet/states/web.yml`);
    const done = await desk.run("check fleet");
    expect([done.code, done.stdout.replaceAll(/\n {6}.*/g, "").split("\n")]).toEqual([
      2,
      [
        "  ✗ secrets.yaml:2:3 pw.match  the expression uses fact",
        "  ✗ settings/common.yaml:2:1  the same key is given twice in one map",
        "  ✗ states/unused.yaml:2:11 /x.file.mode  644 is not a text",
        "  ✗ states/unused.yaml:3:3 /x.onlyIf  the expression is not understood: Unexpected character: =",
        "  ✗ states/unused.yaml:4:1 a  names no resource type",
        "  ✗ targets.yaml:3:3 [1].match  there is no lable in expressions",
        "  ✗ targets.yaml:4:12 [1].states[0]  there is no state wbe",
        "  ! states/example.ts  no target names this state",
        "  ! states/unused.yaml  no target names this state",
        "  ! states/web.yaml  no target names this state",
        "  7 faults in 4 files",
        "",
      ],
    ]);
  });

  test("renders for recorded hosts, whose missing facts are faults", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub, { loggedIn: false });
    await desk.run("init fleet");
    await write(hub, {
      "facts/web-9.json": JSON.stringify({ kind: "LocalFacts", host: { name: "web-9" }, labels: { role: "web" }, facts: SAMPLE_FACTS }),
      "facts/old.json": '{"facts":{"os":{"name":"x"}}}',
    });
    expect(await desk.run("check fleet")).toMatchObject({
      code: 2,
      stdout: expect.stringContaining("files/motd.liquid:1:42 for file//etc/motd  this host has no fact memory"),
    });
    await write(hub, { "facts/old.json": '{"facts":1}', "facts/odd.json": '{"facts":{"__proto__":{"x":1}}}', "facts/bad.json": "{" });
    expect(JSON.parse((await desk.run("check fleet -o json")).stdout).faults.map(({ file }: { file: string }) => file)).toEqual([
      "facts/bad.json",
      "facts/odd.json",
      "facts/old.json",
    ]);
    for (const name of ["old", "odd", "bad"]) rmSync(`${hub.world.dir}/fleet/facts/${name}.json`);
    expect(JSON.parse((await desk.run("check fleet -o json")).stdout)).toMatchObject({ ok: true, hosts: [{ name: "web-9", isSample: false, resources: 9 }] });
  });

  test("control characters in a fleet never reach the terminal", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub, { loggedIn: false });
    await write(hub, {
      "fleet.yaml": 'name: "a\\e]0;owned\\a"\n',
      "targets.yaml": "[]\n",
      "states/x.yaml": '"/\\e[2J":\n  file: {}\n"\\u202e":\n  fiel: {}\n',
    });
    const done = await desk.run("check fleet");
    expect(done.code).toBe(2);
    expect(done.stdout.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
    expect((await desk.run("check fleet -o json")).stdout.trimEnd()).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u);
  });

  test("the sample facts have the shape that the agent's collectors give", async () => {
    using world = testWorld();
    const facts = await collectFacts(world, { factsDirs: [] });
    const own = Object.keys(SAMPLE_FACTS).toSorted();
    expect(Object.keys(facts).toSorted()).toEqual(own);
    for (const section of ["os", "cpu", "memory", "virtualisation", "package_manager", "service_manager"] as const)
      expect(Object.keys(SAMPLE_FACTS[section]).toSorted()).toEqual(Object.keys(facts[section] ?? {}).toSorted());
  });
});

const V1 = {
  "fleet.yaml": "name: test\n",
  "targets.yaml": '- match: "true"\n  states: [base]\n',
  "secrets.yaml": "pw:\n  match: has(label.role) && label.role == 'web'\n",
  "states/base.yaml":
    'motd:\n  file:\n    path: /etc/motd\n    content: "one\\ntwo\\nthree\\n"\nnginx:\n  service: { ensure: running }\nold:\n  group: {}\nsecret:\n  file:\n    path: /etc/pw\n    template: files/pw.liquid\n  onlyIf: has(label.role)\nstatic:\n  file:\n    path: /etc/static\n    source: files/static\n',
  "files/pw.liquid": "a {{ secrets.pw }}\n",
  "files/static": "s1\n",
};
const V2 = {
  "states/base.yaml": V1["states/base.yaml"]
    .replace("two", "TWO")
    .replace("running", "stopped")
    .replace("old:\n  group: {}\n", "tools:\n  package: { names: [curl] }\n"),
  "files/pw.liquid": "b {{ secrets.pw }}\n",
  "files/static": "s2\n",
};

async function box(desk: TestWorkstation, hub: TestHub, name: string, labels = ""): Promise<WireBox> {
  const one = await wireBox(hub, name);
  const done = await desk.run(`host approve ${name} --words ${one.words} ${labels} --yes --passphrase-file ${desk.passphraseFile}`);
  if (done.code !== 0) throw new Error(done.stderr);
  await one.collect();
  return one;
}

describe("plan", () => {
  const publish = (desk: TestWorkstation) => desk.run(`publish fleet --yes --message m --passphrase-file ${desk.passphraseFile}`);

  async function fleet(hub: TestHub): Promise<TestWorkstation> {
    const desk = await testWorkstation(hub);
    await write(hub, { ...V1, "secrets.yaml": "{}\n", "states/base.yaml": V1["states/base.yaml"].replace(/secret:[\s\S]*?has\(label.role\)\n/, "") });
    return desk;
  }

  test("folds what hosts have in common, shows diffs, counts, and says nothing of contents made from secrets", async () => {
    using hub = await testHub();
    const desk = await testWorkstation(hub);
    await write(hub, V1);
    const boxes = [await box(desk, hub, "db-1"), await box(desk, hub, "web-1", "-l role=web"), await box(desk, hub, "web-2", "-l role=web")];
    await desk.run(`secret set pw --from ${desk.passphraseFile} --passphrase-file ${desk.passphraseFile}`);
    const published = await publish(desk);
    expect([published.code, published.stderr]).toEqual([0, expect.anything()]);
    for (const one of boxes) await one.sync({ report: { bundle: 1 }, facts: { os: { family: "debian" } } });
    expect(await desk.run("plan fleet --exit-code")).toMatchObject({ code: 0, stdout: "  3 hosts: 3 unchanged\n" });
    await write(hub, V2);
    const done = await desk.run("plan fleet --exit-code");
    expect([done.code, done.stdout.split("\n")]).toEqual([
      3,
      [
        "  ~ file//etc/motd  all 3 hosts",
        "      @@ -1,3 +1,3 @@",
        "       one",
        "      -two",
        "      +TWO",
        "       three",
        "  ~ service/nginx  ensure: running → stopped  all 3 hosts",
        "  + package/tools  all 3 hosts",
        "  ~ file//etc/static  all 3 hosts",
        "      @@ -1 +1 @@",
        "      -s1",
        "      +s2",
        "  - group/old  no longer managed; nothing is undone  all 3 hosts",
        "  ~ file//etc/pw  (made from a secret: not shown)  2 hosts (web-1, web-2)",
        "  3 hosts: 3 change · 17 changes: 3 add, 11 change, 3 no longer managed",
        "",
      ],
    ]);
    expect(done.stderr).toContain("against bundle 1");
    const json = JSON.parse((await desk.run("plan fleet web-* --except web-2 -o json")).stdout);
    expect(json).toMatchObject({
      kind: "Plan",
      items: [{ name: "web-1", bundle: 1, changes: [{ resource: "file//etc/motd", action: "change" }, {}, {}, {}, {}, {}], faults: [] }],
      summary: { hosts: 1, changing: 1 },
    });
    expect(JSON.parse((await desk.run(["plan", "fleet", "has(label.role) && label.role == 'web'", "-o", "json"])).stdout).items).toHaveLength(2);
  });

  test("a host without facts, or with a fault of its own, has no plan and the rest have", async () => {
    using hub = await testHub();
    const desk = await fleet(hub);
    const [first] = [await box(desk, hub, "a-1"), await box(desk, hub, "b-1")];
    await first.sync({ facts: { os: { family: "debian" } } });
    const done = await desk.run("plan fleet");
    expect([done.code, done.stdout]).toEqual([4, expect.stringContaining("✗ b-1  it has sent no facts yet, so nothing can be rendered for it  1 host (b-1)")]);
    expect(done.stdout).toContain("+ file//etc/motd  1 host (a-1)");
    expect(done.stdout).toContain("2 hosts: 1 change, 1 without a plan · 4 changes: 4 add");
    await write(hub, { "states/base.yaml": "a:\n  group: {}\n  onlyIf: fact.cpu.count > 2\n" });
    expect(await desk.run("plan fleet a-1")).toMatchObject({
      code: 4,
      stdout: expect.stringContaining("✗ states/base.yaml:3 a.onlyIf  this host has no fact.cpu"),
    });
    expect(await desk.run("plan fleet c-*")).toMatchObject({ code: 1, stderr: expect.stringContaining("no host matches c-*") });
    expect(await desk.run(["plan", "fleet", "lable.x == 'y'"])).toMatchObject({ code: 1 });
    expect(await desk.run(["plan", "fleet", "label.x == "])).toMatchObject({ code: 2 });
  });

  test("a hub that alters a source of the bundle in force is not believed", async () => {
    using hub = await testHub();
    const desk = await fleet(hub);
    const one = await box(desk, hub, "a-1");
    expect((await publish(desk)).code).toBe(0);
    await one.sync({ report: { bundle: 1 }, facts: { os: { family: "debian" } } });
    expect((await desk.run("plan fleet")).code).toBe(0);
    desk.intercept(async (request, send) => {
      const reply = await send();
      return request.url.includes("/blobs/") ? { ...reply, body: reply.body.map((byte) => byte ^ 1) } : reply;
    });
    expect(await desk.run("plan fleet")).toMatchObject({ code: 7, stderr: expect.stringContaining("its bytes are not those that were signed") });
    desk.intercept(async (request, send) => {
      const reply = await send();
      if (!/\/hosts\/h-/.test(request.url)) return reply;
      const json = JSON.parse(new TextDecoder().decode(reply.body));
      json.item.facts.payload = Buffer.from('{"v":1}').toString("base64");
      return { ...reply, body: new TextEncoder().encode(JSON.stringify(json)) };
    });
    expect(await desk.run("plan fleet")).toMatchObject({ code: 4, stdout: expect.stringContaining("its facts are unverified: signature_bad") });
  });
});
