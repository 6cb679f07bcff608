import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { runRender } from "../../agent/render.ts";
import { fromUtf8, utf8 } from "../core/bytes.ts";
import type { RenderInput } from "./render.ts";
import { render } from "./render.ts";
import { parseRenderVerdict } from "./render-verdict.ts";
import { KINDS, RESOURCE_TYPES } from "./resources/registry.ts";
import { faultText } from "./state-fault.ts";

const BASE = { "fleet.yaml": "name: test\n", "targets.yaml": '- match: "true"\n  states: [base]\n' };

function input(files: Readonly<Record<string, string>>, others: Partial<RenderInput> = {}): RenderInput {
  return {
    files: { ...BASE, ...files },
    host: { id: "h-aaaaaaaaaaaaaaaa", name: "web-1" },
    labels: { role: "web", site: "gyor" },
    facts: { os: { family: "debian" }, mem_mb: 8192 },
    secrets: { smtp: "hunter2" },
    ...others,
  };
}

async function resourcesOf(files: Readonly<Record<string, string>>, others: Partial<RenderInput> = {}) {
  const verdict = await render(input(files, others));
  if (!verdict.ok) throw new Error(verdict.faults.map(faultText).join("\n"));
  return verdict.resources;
}

async function faultsOf(files: Readonly<Record<string, string>>, others: Partial<RenderInput> = {}): Promise<readonly string[]> {
  const verdict = await render(input(files, others));
  return verdict.ok ? ["accepted"] : verdict.faults.map((fault) => faultText(fault).split("\n")[0] ?? "");
}

const state = (text: string) => ({ "states/base.yaml": text });

describe("rendering", () => {
  test("gives resources in the order they were declared, named by type and key", async () => {
    const resources = await resourcesOf(
      state('/etc/motd:\n  file: { content: "hello" }\nnginx:\n  package: {}\nweb:\n  service: { name: nginx, ensure: running }\n'),
    );
    expect(resources.map(({ id, name, from }) => [id, name, from])).toEqual([
      ["file//etc/motd", "/etc/motd", "states/base.yaml:1"],
      ["package/nginx", "nginx", "states/base.yaml:3"],
      ["service/nginx", "nginx", "states/base.yaml:5"],
    ]);
  });

  test("puts what is required before what requires it, and else keeps the order", async () => {
    const resources = await resourcesOf(
      state(
        "a:\n  command: { argv: [x], onChange: true }\n  require: [package/c]\n  watch: file//b\nz:\n  group: {}\n/b:\n  file: {}\nc:\n  package: { names: [cc] }\n",
      ),
    );
    expect(resources.map(({ id }) => id)).toEqual(["package/c", "file//b", "command/a", "group/z"]);
  });

  test("gives a host the states of every rule that matches, each once", async () => {
    const files = {
      "targets.yaml":
        '- match: label.role == "web" && fact.mem_mb >= 8192\n  states: [web, base]\n- match: host.name == "other"\n  states: [other]\n- match: fact.os.family == "debian"\n  states: [base, deep/er]\n',
      "states/web.yaml": "w:\n  group: {}\n",
      "states/base.yaml": "b:\n  group: {}\n",
      "states/deep/er.ts": 'export default () => [{ group: { name: "d" } }];',
      "states/other.yaml": "o:\n  group: {}\n",
    };
    expect((await resourcesOf(files)).map(({ id }) => id)).toEqual(["group/w", "group/b", "group/d"]);
  });

  test("leaves out what onlyIf denies, and references to it", async () => {
    const resources = await resourcesOf(state("a:\n  group: {}\n  onlyIf: label.role == 'db'\nb:\n  user: {}\n  require: [group/a]\n"));
    expect(resources.map(({ id, require }) => [id, require])).toEqual([["user/b", []]]);
  });

  test("fills settings into strings, keeps the kind of a lone value, and turns a number into text where text is wanted", async () => {
    const files = {
      ...state(
        'tools:\n  package: { names: "{{ settings.packages }}" }\nport:\n  line: { path: /etc/x, line: "{{ settings.port }}" }\nu:\n  user: { uid: "{{ settings.port }}", comment: "{{ host.name }} in {{ labels.site }}" }\n',
      ),
      "settings/common.yaml": "packages: [curl]\nport: 25\n",
      "settings/site/gyor.yaml": "packages+: [htop]\n",
      "settings/hosts/web-1.yaml": "port: 26\n",
      "settings/hosts/web-2.yaml": "port: 27\n",
    };
    const [tools, port, user] = await resourcesOf(files);
    expect(tools?.params).toMatchObject({ names: ["curl", "htop"] });
    expect(port?.params).toMatchObject({ line: "26" });
    expect(user?.params).toMatchObject({ uid: 26, comment: "web-1 in gyor" });
  });

  test("a template becomes content; one that holds a secret makes its file private and unshown", async () => {
    const files = {
      ...state(
        '/etc/a:\n  file: { template: files/a.liquid }\n/etc/b:\n  file: { template: files/b.liquid }\n/etc/c:\n  file: { template: files/b.liquid, mode: "0640" }\n',
      ),
      "files/a.liquid": "{% for i in (1..2) %}{{ labels.role }}{{ i }} {% endfor %}\n",
      "files/b.liquid": "password={{ secrets.smtp }}\n",
    };
    const [a, b, c] = await resourcesOf(files);
    expect(a).toMatchObject({ sensitive: false, params: { content: "web1 web2 \n" } });
    expect(a?.params).not.toHaveProperty("template");
    expect(b).toMatchObject({ sensitive: true, params: { content: "password=hunter2\n", mode: "0600" } });
    expect(c).toMatchObject({ sensitive: true, params: { mode: "0640" } });
  });

  test("braces in TypeScript states are plain text; what read a secret is unshown", async () => {
    const files = {
      "targets.yaml": '- match: "true"\n  states: [x, y]\n',
      "states/x.ts": 'export default () => ({ "/a": { file: { content: "{{ x }}" } } });',
      "states/y.ts": "export default (host) => ({ '/b': { file: { content: host.secrets.smtp } } });",
    };
    expect((await resourcesOf(files)).map((one) => [one.params, one.sensitive])).toMatchObject([
      [{ content: "{{ x }}" }, false],
      [{ content: "hunter2", mode: "0600" }, true],
    ]);
  });

  test("a directory that purges knows what others manage in it", async () => {
    const [directory] = await resourcesOf(
      state(
        "/etc/app:\n  directory: { purge: true }\n/etc/app/a.conf:\n  file: {}\n/etc/app/d/deep.conf:\n  file: {}\n/etc/app/gone:\n  file: { ensure: absent }\n/etc/application:\n  file: {}\n",
      ),
    );
    expect(directory?.params).toMatchObject({ managed: ["a.conf", "d"] });
  });

  test("tells which files of the tree are copied", async () => {
    const verdict = await render(
      input(state("/a:\n  file: { source: files/b }\n/b:\n  file: { source: files/a }\n/c:\n  file: { source: files/a }\n"), { paths: ["files/a", "files/b"] }),
    );
    expect(verdict).toMatchObject({ ok: true, sources: ["files/a", "files/b"], states: ["base"] });
  });

  test("every example of the reference renders", async () => {
    for (const type of RESOURCE_TYPES) {
      const example = KINDS[type].example.replace("  watch: [file//etc/nginx/nginx.conf]\n", "");
      expect((await resourcesOf(state(example))).map((one) => one.type)).toEqual([type]);
    }
  });
});

describe("what cannot be rendered names its place", () => {
  test.each([
    ["no fleet.yaml", { "fleet.yaml": undefined }, ["fleet.yaml: is missing"]],
    ["a wrong key", { "fleet.yaml": "name: test\nlevel: [x]\n" }, ['fleet.yaml:2:1 level: there is no parameter "level" here']],
    [
      "a state that is not there",
      { "targets.yaml": '- match: "true"\n  states: [bsae]\n', "states/base.yaml": "{}\n" },
      ["targets.yaml:2:12 [0].states[0]: there is no state bsae"],
    ],
    [
      "a label that is not there",
      { "targets.yaml": '- match: label.rack == "1"\n  states: [base]\n', "states/base.yaml": "{}\n" },
      ["targets.yaml:1:3 [0].match: this host has no label.rack"],
    ],
    ["an unknown type", state("a:\n  fiel: {}\n"), ['states/base.yaml:2:3 a.fiel: there is no resource type "fiel"']],
    ["two types", state("nginx:\n  package: {}\n  service: {}\n"), ["states/base.yaml:3:3 nginx.service: names two resource types, package and service"]],
    ["an unknown parameter", state("/a:\n  file:\n    contents: x\n"), ['states/base.yaml:3:5 /a.file.contents: file has no parameter "contents"']],
    ["a mode without quotes", state("/a:\n  file:\n    mode: 0644\n"), ["states/base.yaml:3:5 /a.file.mode: 644 is not a text"]],
    [
      "a path that climbs",
      state("/a/../b:\n  file: {}\n"),
      ['states/base.yaml:1:1 /a/../b: the key "/a/../b" is not an absolute path without `.`, `..`, `//` or a slash at the end'],
    ],
    [
      "two contents",
      state("/a:\n  file: { content: x, source: files/y }\n"),
      ["states/base.yaml:2:3 /a.file: has more than one of content, source and template"],
    ],
    [
      "a command without guard",
      state("a:\n  command: { argv: [x] }\n"),
      ["states/base.yaml:2:3 a.command: has no guard (creates, unless, onlyIf or onChange), so it would run every time"],
    ],
    [
      "a setting that is not there",
      state('a:\n  line: { path: /x, line: "{{ settings.mail.relay }}" }\n'),
      ["states/base.yaml:2:21 a.line.line: there is no setting mail"],
    ],
    [
      "a secret that is not there",
      state('a:\n  line: { path: /x, line: "{{ secrets.relay }}" }\n'),
      ["states/base.yaml:2:21 a.line.line: this host has no secret relay"],
    ],
    [
      "a template's fault",
      { ...state("/a:\n  file: { template: files/a.liquid }\n"), "files/a.liquid": "one\n two {{ settings.x }}\n" },
      ["files/a.liquid:2:9 for file//a: there is no setting x"],
    ],
    [
      "a template that is not there",
      state("/a:\n  file: { template: files/a.liquid }\n"),
      ["states/base.yaml:2:11 /a.file.template: there is no files/a.liquid"],
    ],
    [
      "an id twice",
      { "targets.yaml": '- match: "true"\n  states: [base, web]\n', ...state("a:\n  group: {}\n"), "states/web.yaml": "x: { group: { name: a } }\n" },
      ["states/web.yaml:1:1 x: group/a is declared twice: also in states/base.yaml:1"],
    ],
    [
      "a file and a directory at one path",
      state("/a:\n  file: {}\nd:\n  directory: { path: /a }\n"),
      ["states/base.yaml:3:1 d: directory//a and file//a (states/base.yaml:1) are at one path"],
    ],
    [
      "a reference to nothing",
      state("a:\n  group: {}\n  require: [grup/b]\nb:\n  group: {}\n"),
      ["states/base.yaml:3:3 a.require: require names grup/b, which this host has not"],
    ],
    [
      "a circle",
      state("a:\n  group: {}\n  require: [group/b]\nb:\n  group: {}\n  require: [group/c]\nc:\n  group: {}\n  watch: [group/a]\n"),
      ["states/base.yaml:7:1 c: requirements run in a circle: group/a → group/b → group/c → group/a"],
    ],
    [
      "settings that change kind",
      { ...state("{}\n"), "settings/common.yaml": "dns: [a]\n", "settings/role/web.yaml": "dns:\n  x: 1\n" },
      ["settings/role/web.yaml:1:1 dns: is a map here and a list in a farther level"],
    ],
    [
      "TypeScript that throws",
      { "targets.yaml": '- match: "true"\n  states: [x]\n', "states/x.ts": "export default (host: unknown) => {\n  throw new Error('no');\n};\n" },
      ["states/x.ts:2: no"],
    ],
    [
      "an expression that is no truth",
      state("a:\n  group: {}\n  onlyIf: label.role\n"),
      ["states/base.yaml:3:3 a.onlyIf: the expression gives a string, true or false is wanted"],
    ],
    [
      "many at once",
      state("a:\n  fiel: {}\nb:\n  gruop: {}\n/c:\n  file: { mode: x }\n"),
      [
        'states/base.yaml:2:3 a.fiel: there is no resource type "fiel"',
        'states/base.yaml:4:3 b.gruop: there is no resource type "gruop"',
        '/states/base.yaml:6:11 /c.file.mode: "x" is not an octal mode in quotes, like "0644"'.slice(1),
      ],
    ],
  ])("%s", async (_, files, expected) => {
    const given: Record<string, string> = {};
    for (const [path, text] of Object.entries({ ...BASE, ...files })) if (text !== undefined) given[path] = text;
    const verdict = await render({ ...input({}), files: given });
    expect(verdict.ok ? ["accepted"] : verdict.faults.map((fault) => faultText(fault).split("\n")[0])).toEqual(expected);
  });

  test("a missing source is found when the tree is known", async () => {
    expect(await faultsOf(state("/a:\n  file: { source: files/mtod }\n"), { paths: ["files/motd"] })).toEqual([
      "states/base.yaml:2:11 /a.file.source: there is no files/mtod",
    ]);
  });

  test("names that every object inherits are not there (faults.md 31)", async () => {
    for (const name of ["toString", "constructor", "hasOwnProperty", "__proto__", "valueOf"]) {
      expect(await faultsOf(state(`a:\n  line: { path: /x, line: "{{ settings.${name} }}" }\n`))).toEqual([
        `states/base.yaml:2:21 a.line.line: there is no setting ${name}`,
      ]);
      expect(await faultsOf(state(`a:\n  group: {}\n  onlyIf: label.${name} == 'x'\n`))).toEqual([
        `states/base.yaml:3:3 a.onlyIf: this host has no label.${name}`,
      ]);
      expect((await faultsOf(state(`a:\n  ${name}: {}\n`)))[0]).toMatch(/there is no resource type|has a key named __proto__/);
      expect((await faultsOf({ "targets.yaml": `- match: "true"\n  states: [${name}]\n` }))[0]).toMatch(/is not a state's name|there is no state/);
    }
  });

  test("a fault list is bounded", async () => {
    const verdict = await render(input(state(Array.from({ length: 1_000 }, (_, at) => `x${at}:\n  nothing: {}\n`).join(""))));
    expect(verdict.ok ? 0 : verdict.faults.length).toBe(200);
  });

  test("more resources than a host may have are refused", async () => {
    expect(await faultsOf(state(Array.from({ length: 10_001 }, (_, at) => `g${at}:\n  group: {}\n`).join("")))).toEqual([
      "states/base.yaml: brings the host above 10000 resources",
    ]);
  });
});

describe("texts (faults.md 36)", () => {
  const naughty = [
    "\0",
    "\u0085",
    "\u2028",
    "\ufeff",
    "\u202e",
    "'; DROP TABLE",
    "$(reboot)",
    "null",
    "no",
    "~",
    "0x1f",
    "1e400",
    "---",
    "...",
    "- a",
    "a: b",
    "#x",
    "&a",
    "*a",
    "!!x",
    "%x",
    "@x",
    "`x`",
    "| x",
    "ﬁ",
    "🏳️‍🌈",
    "Z͑ͫ̓",
    "\r\n",
    "\t",
    " x ",
    "",
    "\\",
    '"',
    "__proto__",
    "İ",
  ];

  test("any text comes out as it went in, or is refused", async () => {
    const text = fc.oneof(
      fc.constantFrom(...naughty),
      fc.string({ unit: "binary", maxLength: 30 }),
      fc.array(fc.constantFrom(...naughty), { maxLength: 6 }).map((parts) => parts.join("\n")),
    );
    await fc.assert(
      fc.asyncProperty(text, async (content) => {
        if (/\{[{%]/.test(content)) return;
        const verdict = await render(input(state(`/a:\n  file:\n    content: ${JSON.stringify(content)}\n`)));
        if (verdict.ok) expect(verdict.resources[0]?.params).toMatchObject({ content });
        else expect(content.isWellFormed() && !JSON.stringify(content).includes("\u007f") && !content.includes("\ufeff")).toBe(false);
      }),
      { numRuns: 400 },
    );
  });
});

describe("the render child", () => {
  const child = async (text: string) => parseRenderVerdict(fromUtf8(await runRender(utf8(text))));

  test("answers on stdout what render gives, and its answer is believed", async () => {
    const given = input(state('/a:\n  file: { content: "{{ labels.role }}" }\n/d:\n  directory: { purge: true }\n/d/x:\n  symlink: { target: y }\n'));
    expect(await child(JSON.stringify(given))).toEqual(await render(given));
  });

  test("the same inputs give the same bytes", async () => {
    const given = utf8(JSON.stringify(input(state('/a:\n  file: { content: "{{ labels.role }}" }\n'))));
    expect(fromUtf8(await runRender(given))).toBe(fromUtf8(await runRender(given)));
  });

  test.each(["", "{", "null", "[]", "{}", '{"files":1}'])("refuses %j in words", async (text) => {
    expect(await child(text)).toMatchObject({ ok: false });
  });

  test.each([
    ["no JSON", "x"],
    ["another form", '{"ok":true}'],
    ["faults without any", '{"ok":false,"faults":[]}'],
    ["params that the schema refuses", good({ params: { path: "/a", mode: 420 } })],
    ["an id that is not its name's", good({ id: "file//b" })],
    ["an unknown type", good({ type: "fiel", id: "fiel//a" })],
    ["a prototype's type", good({ type: "constructor", id: "constructor//a" })],
    ["a template that was not rendered", good({ params: { path: "/a", template: "files/x.liquid" } })],
    ["a reference to what comes later", good({ require: ["file//z"] })],
    ["an unknown field", good({ extra: 1 })],
  ])("an answer with %s is not believed", (_, text) => {
    expect(parseRenderVerdict(text)).toMatchObject({ ok: false });
  });

  test("an answer that names a resource twice is not believed", () => {
    const { resources, ...others }: { readonly resources: readonly unknown[] } = JSON.parse(good({}));
    expect(parseRenderVerdict(JSON.stringify({ ...others, resources: [...resources, ...resources] }))).toMatchObject({ ok: false });
  });

  test("an answer without any of these is", () => {
    expect(parseRenderVerdict(good({}))).toMatchObject({ ok: true, resources: [{ id: "file//a" }] });
  });
});

function good(others: object): string {
  const resource = {
    id: "file//a",
    name: "/a",
    type: "file",
    params: { path: "/a" },
    require: [],
    watch: [],
    onFail: "continue",
    sensitive: false,
    from: "x",
    ...others,
  };
  return JSON.stringify({ ok: true, resources: [resource], sources: [], states: [], defaults: {} });
}
