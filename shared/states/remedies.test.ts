import { expect, test } from "bun:test";
import { openExpressions } from "./expression.ts";
import { render } from "./render.ts";
import type { Sources } from "./fleet-documents.ts";
import { runTypescriptState } from "./typescript-state.ts";

/** A fault says what to do next, also where all that is known is that the text is not understood. */

const HOST = { id: "h-aaaaaaaaaaaaaaaa", name: "web-1" };

async function remedies(change: Sources): Promise<readonly (string | undefined)[]> {
  const files = { "fleet.yaml": "name: test\n", "targets.yaml": '- match: "true"\n  states: [base]\n', "states/base.yaml": "{}\n", ...change };
  const verdict = await render({ files, host: HOST, labels: { role: "web" }, facts: {}, secrets: {} });
  return verdict.ok ? ["it renders"] : verdict.faults.map(({ remedy }) => remedy);
}

test.each([
  ["an unknown key in fleet.yaml", { "fleet.yaml": "name: test\nlevel: [x]\n" }, "Did you mean levels? There are name, description, levels, defaults."],
  ["and deeper in it", { "fleet.yaml": "name: test\ndefaults: { modus: monitor }\n" }, "There are mode, interval, fetchWindows, applyWindows."],
  ["in targets.yaml", { "targets.yaml": '- match: "true"\n  states: [base]\n  except: x\n' }, "There are match, states."],
  ["in secrets.yaml", { "secrets.yaml": 'pw:\n  match: "true"\n  matches: x\n' }, "Did you mean match? There are match, description."],
  ["one = in an expression", { "targets.yaml": "- match: label.role = 'web'\n  states: [base]\n" }, "Compare with ==."],
  [
    "an expression that breaks off",
    { "targets.yaml": "- match: label.role ==\n  states: [base]\n" },
    "It is CEL, as in label.role == 'web' && fact.mem_mb >= 8192.",
  ],
  ["a label beside a number", { "targets.yaml": "- match: label.role == 4\n  states: [base]\n" }, "Both sides have to be of one kind"],
  ["an open brace", { "states/base.yaml": '/a:\n  file: { content: "{{ host.name" }\n' }, "It is Liquid: {{ settings.x }}"],
  ["an unknown tag", { "states/base.yaml": '/a:\n  file: { content: "{% nope %}" }\n' }, "It is Liquid: {{ settings.x }}"],
  ["an unknown filter", { "states/base.yaml": '/a:\n  file: { content: "{{ host.name | nope }}" }\n' }, "There are Liquid's own filters"],
  ["a file that a template may not read", { "states/base.yaml": "/a:\n  file: { content: \"{% include 'x' %}\" }\n" }, "Write it out here"],
  ["a fact that is not there", { "states/base.yaml": '/a:\n  file: { content: "{{ facts.x }}" }\n' }, "Ask first"],
  [
    "TypeScript that does not parse",
    { "targets.yaml": '- match: "true"\n  states: [web]\n', "states/web.ts": "export default (host => [];\n" },
    "Mend that line; a state is `export default (host: Host) => [ … ]`.",
  ],
  [
    "a missing template",
    { "states/base.yaml": "/a:\n  file: { template: files/a.liquid }\n" },
    "Put the file there: paths go from the fleet directory, below files/.",
  ],
  [
    "a template by another name",
    { "states/base.yaml": "/a:\n  file: { template: files/a.conf }\n" },
    "Call the file files/a.conf.liquid, or use it as it is with `source`.",
  ],
] satisfies readonly (readonly [string, Sources, string])[])("%s", async (_what, change, remedy) => {
  expect(await remedies(change)).toEqual([expect.stringContaining(remedy)]);
});

test("a secret's expression, which sees no facts", async () => {
  const judged = (await openExpressions()).check("label.role ==", "labels");
  expect(judged).toMatchObject({ ok: false, remedy: "It is CEL, as in label.role == 'web' || host.name == 'db-1'." });
});

test("TypeScript that does not end", async () => {
  const host = { ...HOST, labels: {}, facts: {}, settings: {}, secrets: {} };
  for (const source of ["export default () => { for (;;); };", "for (;;); export default () => [];"]) {
    const answer = await runTypescriptState("states/x.ts", source, host, 100);
    expect(answer).toMatchObject({
      ok: false,
      fault: { message: "did not end within 0.1 s", remedy: "A state has to end by itself: look for a loop that does not." },
    });
  }
});
