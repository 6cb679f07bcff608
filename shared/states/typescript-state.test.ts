import { describe, expect, test } from "bun:test";
import { runTypescriptState } from "./typescript-state.ts";

const HOST = {
  id: "h-aaaaaaaaaaaaaaaa",
  name: "web-1",
  labels: { role: "web" },
  facts: { os: { family: "debian" }, nics: [{ name: "eth0" }] },
  settings: { dns: { servers: ["192.0.2.53"] } },
  secrets: { smtp: "hunter2" },
};
const run = (source: string) => runTypescriptState("states/x.ts", source, HOST);
const faultOf = async (source: string) => {
  const answer = await run(source);
  return answer.ok ? `accepted: ${JSON.stringify(answer.entries)}` : `${answer.fault.line}: ${answer.fault.message}`;
};

describe("a TypeScript state", () => {
  test("gives entries from labels, facts, settings and secrets", async () => {
    const answer = await run(`
      import type { Host } from "../.felhom/felhom.d.ts";
      interface Pair { a: string }
      export default (host: Host) => {
        const pair: Pair = { a: host.labels.role };
        return host.facts.nics.map((nic) => ({ file: { path: \`/etc/\${nic.name}\`, content: pair.a + host.settings.dns.servers.join() + host.facts.os.family, mode: undefined } }));
      };`);
    expect(answer).toEqual({ ok: true, entries: [{ file: { path: "/etc/eth0", content: "web192.0.2.53debian" } }], usesSecret: false });
  });

  test("says when it read a secret", async () => {
    expect(await run("export default (host) => ({ x: host.secrets.smtp })")).toEqual({ ok: true, entries: { x: "hunter2" }, usesSecret: true });
    expect(await run('export default (host) => ({ x: "smtp" in host.secrets })')).toEqual({ ok: true, entries: { x: true }, usesSecret: false });
  });

  test.each([
    ["host.labels.rack", "this host has no label rack"],
    ["host.facts.os.version", "this host has no fact os.version"],
    ["host.settings.dns.search", "this host has no setting dns.search"],
    ["host.secrets.toString", "this host has no secret toString"],
    ["`${host.labels}`", "this host has no label toString"],
    ["host.facts.nics[0].speed", "this host has no fact nics[0].speed"],
  ])("a name that is not there is a fault that names it: %s", async (expression, message) => {
    expect(await faultOf(`export default (host) =>\n  [{ file: { path: "/x", content: ${expression} } }];`)).toBe(`2: ${message}`);
  });

  test.each([
    ["a clock", "new Date()", "Date is not there: a state has to give the same resources every time"],
    ["a clock by name", "Date.now()", "Date is not there: a state has to give the same resources every time"],
    ["chance", "Math.random()", "Math.random is not there: a state has to give the same resources every time"],
    ["time zones", "new Intl.DateTimeFormat()", "Intl is not there: a state has to give the same resources every time"],
    ["another realm", "new ShadowRealm()", "ShadowRealm is not there: a state only returns resources"],
    ["stdout", "console.log(1)", "console is not there: a state only returns resources"],
    ["Bun", "Bun.version", "Bun is not defined"],
    ["process", "process.env", "process is not defined"],
    ["files", 'require("node:fs")', "require is not defined"],
    ["the network", 'fetch("http://192.0.2.1")', "fetch is not defined"],
    ["timers", "setTimeout(() => {}, 1)", "setTimeout is not defined"],
    ["the outer realm by a constructor", 'host.constructor.constructor("return Bun")()', "Bun is not defined"],
    ["the outer realm by a function", '(() => {}).constructor("return process")()', "process is not defined"],
    ["the outer realm by this", 'new Function("return this.Bun.version")()', "undefined is not an object (evaluating 'this.Bun.version')"],
  ])("has no %s", async (_, expression, message) => {
    expect(await faultOf(`export default (host) => ({ x: ${expression} });`)).toBe(`1: ${message}`);
  });

  test.each([
    ["import fs from 'node:fs';\nexport default () => fs;", '1: imports "node:fs"'],
    ["import { x } from './other.ts';\nexport default () => x;", '1: imports "./other.ts"'],
    ["\nimport './other.ts';\nexport default () => [];", '2: imports "./other.ts"'],
    ["export default () =>\n  import('node:fs');", "2: uses import() or import.meta"],
    ["const n = 'node:fs';\nexport default () => import(/* x */ n);", "2: uses import() or import.meta"],
    ["export default () => import.meta.url;", "1: uses import() or import.meta"],
    ["export * from './other.ts';", '1: imports "./other.ts"'],
    ["await new Promise(() => {});\nexport default () => [];", "0: waits at its top level"],
    ["export default async () => [];", "0: the answer is a Promise: a state must not be async"],
    ["export const x = 1;", "0: exports no default function"],
    ["export default [];", "0: exports no default function"],
    ["export default () => [() => 1];", "0: the answer[0] is a function"],
    ["export default () => ({ x: { file: { mode: NaN } } });", "0: x.file.mode is NaN"],
    ["export default () => [undefined];", "0: the answer[0] is undefined"],
    ["let calls = 0;\nexport default () => calls++ === 0 ? [] : [{}];", "accepted: []"],
    ["interface A {\n  b: string;\n}\n\n// a comment\nexport default (host: A) => {\n  const x: string = host.b;\n\n  throw new Error('boom');\n};", "9: boom"],
    ["\n\nthrow new Error('at once');", "3: at once"],
    ["export default () => { throw { toString() { throw 1 } } };", "0: undefined"],
    ["const a = ;\nexport default () => [];", "1: is not TypeScript: Unexpected ;"],
    ["export default () => { const f = () => 1 + f(); return f(); };", "1: Maximum call stack size exceeded."],
  ])("is refused in words: %j", async (source, message) => {
    expect(await faultOf(source)).toBe(message);
  });

  test.each(["export default () => {\n  for (;;);\n};", "for (;;);\nexport default () => [];"])("an endless loop is stopped: %j", async (source) => {
    const answer = await runTypescriptState("states/x.ts", source, HOST, 100);
    expect(answer.ok ? "" : answer.fault.message).toBe("did not end within 0.1 s");
  });

  test("cannot reach the outer realm through what it is given or what fails", async () => {
    const answer = await run(`export default (host) => {
      const found = [];
      const look = (thing) => { try { found.push(typeof thing.constructor.constructor("return typeof Bun === 'undefined' ? '' : 'Bun'")()); found.push(thing.constructor.constructor("return typeof Bun + typeof process")()); } catch (error) { found.push(String(error.message).slice(0, 20)); } };
      look(host); look([]); look(() => 1); look(globalThis);
      look(globalThis.__felhomRun); for (const key of Reflect.ownKeys(globalThis)) { try { look(globalThis[key]); } catch (error) { look(error); } } look(Reflect.getPrototypeOf(globalThis) ?? 1);
      try { null.x } catch (error) { look(error); }
      try { host.labels.zzz } catch (error) { look(error); }
      try { (function f() { f(); })() } catch (error) { look(error); }
      return found;
    }`);
    expect(JSON.stringify(answer)).not.toContain("object");
  });
});
