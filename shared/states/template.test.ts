import { describe, expect, test } from "bun:test";
import { openTemplates } from "./template.ts";

const SCOPE = {
  settings: { dns: { servers: ["a", "b"], port: 53 }, nothing: null, flag: false },
  facts: { os: { family: "debian" } },
  labels: { role: "web" },
  secrets: { smtp: "hunter2" },
  host: { id: "h-x", name: "web-1" },
};

async function textOf(template: string): Promise<string> {
  const rendered = (await openTemplates(SCOPE)).text(template);
  return rendered.ok ? String(rendered.value) : `${rendered.line}:${rendered.column} ${rendered.message}`;
}

describe("templates", () => {
  test.each([
    ["{{ host.name }} {{ labels.role }} {{ facts.os.family }} {{ settings.dns.port }}", "web-1 web debian 53"],
    ["{% for one in settings.dns.servers %}{{ one }};{% endfor %}", "a;b;"],
    ["{{ settings.dns.servers | join: ' ' }}", "a b"],
    ["{{ settings.dns | json }}", '{"servers":["a","b"],"port":53}'],
    ["{% if settings.missing %}yes{% else %}no{% endif %}", "no"],
    ["{{ settings.missing | default: 'x' }}", "x"],
    ["{{ settings.flag }}", "false"],
    ["{% raw %}{{ .Values }}{% endraw %}", "{{ .Values }}"],
    ["plain", "plain"],
  ])("%s → %s", async (template, text) => {
    expect(await textOf(template)).toBe(text);
  });

  test.each([
    ["{{ settings.mail }}", "1:4 there is no setting mail"],
    ["\n {{ secrets.pw }}", "2:5 this host has no secret pw"],
    ["{{ labels.rack }}", "1:4 this host has no label rack"],
    ["{{ facts.os.version }}", "1:4 this host has no fact os.version"],
    ["{{ settings.dns.toString }}", "1:4 there is no setting dns.toString"],
    ["{{ host.constructor }}", "1:4 there is no host.constructor"],
    ["{{ name }}", "1:4 there is no name"],
    ["{{ settings.nothing }}", "1:1 the value is nothing (null)"],
    ["{{ settings.dns.servers }}", '1:1 the value is a list: use `| join: ", "` or `| json`'],
    ["{{ settings.dns }}", "1:1 the value is a map: use `| json`"],
    ["{% for one in settings.missing %}{% endfor %}", "1:15 there is no setting missing"],
    ["{{ settings.missing | default: secrets.pw }}", "1:32 this host has no secret pw"],
    ["{{ 'now' | date: '%Y' }}", "1:1 undefined filter: date"],
    ["{{ settings.dns.servers | sample }}", "1:1 undefined filter: sample"],
    ["{{ host.name | nope }}", "1:1 undefined filter: nope"],
    ["{% include 'x' %}", '1:1 tag "include" is not there: a template reads no other file'],
    ["{% render '/etc/passwd' %}", '1:1 tag "render" is not there: a template reads no other file'],
    ["{% layout 'x' %}", '1:1 tag "layout" is not there: a template reads no other file'],
    ["{{ host.name", '1:1 output "{{ host.name" not closed'],
    ["{% nope %}", '1:1 tag "nope" not found'],
    ["{% for i in (1..100000000) %}x{% endfor %}", "1:1 memory alloc limit exceeded"],
  ])("%s is refused in words: %s", async (template, message) => {
    expect(await textOf(template)).toBe(message);
  });

  test("a lone value keeps its kind", async () => {
    const templates = await openTemplates(SCOPE);
    const valueOf = (template: string) => {
      const rendered = templates.value(template);
      return rendered.ok ? rendered.value : rendered.message;
    };
    expect(valueOf("{{ settings.dns.servers }}")).toEqual(["a", "b"]);
    expect(valueOf("{{- settings.dns.port -}}")).toBe(53);
    expect(valueOf("{{ settings.dns.port }}!")).toBe("53!");
    expect(valueOf("{{ settings.flag }}")).toBe(false);
    expect(valueOf("{{ settings.missing }}")).toBe("there is no setting missing");
    expect(valueOf("{{ settings.nothing }}")).toBeNull();
    expect(valueOf("{{ settings.dns.servers | first | upcase }}")).toBe("A");
  });

  test("knows what read a secret", async () => {
    const templates = await openTemplates(SCOPE);
    expect(templates.text("{{ secrets.smtp }}")).toMatchObject({ usesSecret: true });
    expect(templates.text("{{ host.name }}")).toMatchObject({ usesSecret: false });
    expect(templates.value("{{ secrets.smtp | size }}")).toMatchObject({ usesSecret: true, value: 7 });
    expect(templates.text("{% if secrets.smtp %}x{% endif %}")).toMatchObject({ usesSecret: true });
  });
});
