import { expect, test } from "bun:test";
import { Fault } from "../../shared/core/fault.ts";
import type { NetRequest } from "../../shared/ports/net.ts";
import { fakeTerminal } from "../../shared/sim/fake-terminal.ts";
import { wireBox } from "../../shared/sim/wire-box.ts";
import { testFleet, testKey, testRootPayload } from "../../shared/sim/test-fleet.ts";
import { type TestHub, testHub, TEST_SETUP_TOKEN } from "../../shared/sim/test-hub.ts";
import { TEST_HUB_URL, type TestWorkstation, testWorkstation } from "../../shared/sim/test-workstation.ts";
import { rootPayload } from "../../shared/trust/payloads.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";

/** Logging in, contexts, roots on the way, what is tried again, and how the stream of events survives its breaks. */

test("the first login gives a new hub its fleet, the next ones only sign in", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub, { loggedIn: false });
  await Bun.write(`${hub.world.dir}/token`, `${TEST_SETUP_TOKEN}\n`);
  const pass = `--passphrase-file ${desk.passphraseFile}`;
  expect((await desk.run("status")).stderr).toContain("felhom login --hub URL");
  const early = await desk.run(`login --hub ${TEST_HUB_URL} ${pass}`);
  expect([early.code, early.stderr]).toEqual([9, expect.stringContaining("has no fleet yet")]);
  expect((await desk.run("context list -o name")).stdout).toBe(""); // nothing is kept of a login that failed
  const first = await desk.run(`login --hub ${TEST_HUB_URL} --setup-token-file token ${pass}`);
  expect([first.code, first.stdout]).toEqual([0, expect.stringContaining("logged in to test")]);
  expect((await desk.run("context list -o json")).stdout).toContain('"current":"test"');
  const again = await desk.run(`login --hub ${TEST_HUB_URL} --setup-token-file token ${pass}`);
  expect([again.code, again.stderr]).toEqual([0, expect.stringContaining("already has a fleet")]);
  expect((await desk.run(`login ${pass}`)).code).toBe(0);
});

test("a wrong setup token, a foreign hub and a strange key get nowhere", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub, { loggedIn: false });
  const pass = `--passphrase-file ${desk.passphraseFile}`;
  await Bun.write(`${hub.world.dir}/token`, "guess\n");
  expect((await desk.run(`login --hub ${TEST_HUB_URL} --setup-token-file token ${pass}`)).code).toBe(7);
  await hub.setUp();
  desk.intercept(async (request, send) => {
    const reply = await send();
    if (!request.url.endsWith("/challenges")) return reply;
    return {
      ...reply,
      body: new TextEncoder().encode(JSON.stringify({ ...JSON.parse(new TextDecoder().decode(reply.body)), fleet_id: testFleet("two").root.payload.fleet_id })),
    };
  });
  const foreign = await desk.run(`login --hub ${TEST_HUB_URL} ${pass}`);
  expect([foreign.code, foreign.stderr]).toEqual([7, expect.stringContaining("serves fleet")]);
  desk.intercept(undefined);
  expect((await desk.run(`login --hub ${TEST_HUB_URL} --key nobody ${pass}`)).code).toBe(7);
  await Bun.write(`${hub.world.dir}/wrong`, "wrong passphrase\n");
  expect((await desk.run(`login --hub ${TEST_HUB_URL} --passphrase-file wrong`)).code).toBe(7);
});

test("a session that ended, was revoked, or is with another hub asks for a login", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  expect((await desk.run("status")).code).toBe(0);
  await hub.world.clock.advance(13 * 3_600_000);
  const expired = await desk.run("status");
  expect([expired.code, expired.stderr]).toEqual([7, expect.stringContaining("your session has expired")]);
  expect(expired.stderr).toContain("next  felhom login");
  expect((await desk.run(`context add second --hub https://second.test`)).code).toBe(0);
  expect((await desk.run("status --context second")).stderr).toContain("felhom login --context second");
  expect((await desk.run("status --context third")).stderr).toContain("felhom context list");
});

test("a newer root comes down and is followed; a forked one stops the command", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const second = testKey("second");
  const { key, root } = hub.fleet;
  const next = (keys: readonly (typeof key)[], signers: readonly (typeof key)[], version = 2) =>
    signPayload("root", rootPayload, { ...testRootPayload(keys, { fleet_id: root.payload.fleet_id }), version }, signers);
  const rotated = next([key, second], [key, second]);
  expect((await hub.ask("POST", "/api/v1/roots", { token: await hub.logIn(), body: { envelope: rotated } })).status).toBe(201);
  expect(JSON.parse((await desk.run("status -o json")).stdout)).toMatchObject({ rootVersion: 2 });
  const evil = testKey("evil");
  desk.intercept(async (request, send) => {
    const reply = await send();
    if (!request.url.endsWith("/roots")) return reply;
    return {
      ...reply,
      body: new TextEncoder().encode(
        JSON.stringify({ apiVersion: "felhom/v1", kind: "RootList", items: [hub.fleet.rootEnvelope, rotated, next([evil], [evil], 3)] }),
      ),
    };
  });
  const forked = await desk.run("status");
  expect([forked.code, forked.stderr]).toEqual([7, expect.stringContaining("Cannot take a newer root")]);
});

test("reading is tried again, writing never is, and a 429 is waited out", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const box = await wireBox(hub, "a");
  await desk.run(`host approve a --words ${box.words} --yes --passphrase-file ${desk.passphraseFile}`);
  const seen: string[] = [];
  const failing = (broken: (request: NetRequest, nth: number) => "down" | 429 | undefined) => {
    seen.length = 0;
    desk.intercept((request, send) => {
      const { pathname } = new URL(request.url);
      seen.push(`${request.method} ${pathname}`);
      const how = broken(request, seen.filter((line) => line === `${request.method} ${pathname}`).length);
      if (how === "down") return Promise.reject(new Fault("net_unreachable", "Cannot connect"));
      return how === 429 ? Promise.resolve({ status: 429, headers: { "retry-after": "0" }, body: new Uint8Array() }) : send();
    });
  };
  const during = async (line: string): Promise<number> => {
    const done = desk.run(line);
    let code: number | undefined;
    void done.then((ran) => (code = ran.code));
    for (const startedMs = performance.now(); code === undefined && performance.now() - startedMs < 60_000; ) {
      await hub.world.clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return code ?? -1;
  };
  failing((request, nth) => (request.method === "GET" && nth < 3 ? "down" : undefined));
  expect(await during("host list -o name")).toBe(0);
  expect(seen.filter((line) => line.endsWith("/hosts"))).toHaveLength(3);
  failing((request) => (request.method === "GET" ? "down" : undefined));
  expect(await during("host list -o name")).toBe(75);
  failing((request) => (request.method === "PUT" ? "down" : undefined));
  expect(await during("host spec a --mode monitor --yes")).toBe(75);
  expect(seen.filter((line) => line.startsWith("PUT"))).toHaveLength(1);
  failing((request, nth) => (request.method === "PUT" && nth < 5 ? 429 : undefined));
  expect(await during("host spec a --mode monitor --yes")).toBe(0);
  expect(seen.filter((line) => line.startsWith("PUT"))).toHaveLength(5);
});

test("an answer that is not of the form is never taken for an empty one", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  for (const body of ["", "null", "[]", "{}", '{"items":{}}', '{"items":[{}]}', "<html>", '{"items":[{"host_id":"h-x"}]}']) {
    desk.intercept((request, send) =>
      new URL(request.url).pathname.endsWith("/hosts") ? Promise.resolve({ status: 200, headers: {}, body: new TextEncoder().encode(body) }) : send(),
    );
    const done = await desk.run("host list -o json");
    expect([body, done.code, done.stdout]).toEqual([body, 1, ""]);
    expect(JSON.parse(done.stderr).code).toBe("hub_nonsense");
  }
});

/** `event follow` in the background, with the hub's time moving on while the test waits for what is to be seen. */
function following(hub: TestHub, desk: TestWorkstation, line: string) {
  const stop = new AbortController();
  const terminal = fakeTerminal({ interrupted: stop.signal });
  const done = desk.run(line, { terminal });
  let isDone = false;
  void done.finally(() => (isDone = true));
  const until = async (isSo: () => boolean): Promise<void> => {
    for (const startedMs = performance.now(); !isSo() && performance.now() - startedMs < 20_000; ) {
      await hub.world.clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const end = async () => {
    stop.abort();
    await until(() => isDone);
    const { code, stdout, stderr } = await done;
    const lines = stdout.split("\n").filter((text) => text !== "");
    return { code, stderr, seen: lines.map((text) => text.split(/\s+/).slice(1, 3).join(" ")) };
  };
  return { terminal, until, end };
}

test("following events goes on after the last one when the stream breaks, and ends with Ctrl-C", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const { terminal, until, end } = following(hub, desk, "event follow --kind host --since 0");
  await wireBox(hub, "a");
  await until(() => terminal.stdout().includes(" a "));
  for (const name of ["b", "c"]) {
    desk.cutStreams();
    await wireBox(hub, name); // while nobody listens
    await until(() => terminal.stdout().includes(` ${name} `));
  }
  const { code, seen, stderr } = await end();
  expect(code).toBe(130);
  expect(seen).toEqual(["host.enroll-requested a", "host.enroll-requested b", "host.enroll-requested c"]);
  expect(stderr).toContain("The stream broke");
  expect(stderr).toContain("It is open again; nothing was missed.");
});

test("following since a time begins with what happened since then, or with what comes next where that is nothing", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  await wireBox(hub, "old");
  await hub.world.clock.advance(3 * 3_600_000);
  const next = following(hub, desk, "event follow --kind host --since 2h");
  await next.until(() => next.terminal.stderr().includes("Following events after number "));
  await wireBox(hub, "a");
  await next.until(() => next.terminal.stdout().includes(" a "));
  expect((await next.end()).seen).toEqual(["host.enroll-requested a"]);
  const { terminal, until, end } = following(hub, desk, "event follow --kind host --since 2h");
  await until(() => terminal.stdout().includes(" a "));
  expect((await end()).seen).toEqual(["host.enroll-requested a"]);
  expect(await desk.run("event follow --since yesterday")).toMatchObject({ code: 2, stderr: expect.stringContaining("--since takes") });
});

test("a stream that breaks before its first event goes on where it was opened", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const { terminal, until, end } = following(hub, desk, "event follow --kind host");
  await until(() => terminal.stderr().includes("Following events after number "));
  desk.cutStreams();
  await wireBox(hub, "a"); // while nobody listens
  await until(() => terminal.stderr().includes("open again"));
  await wireBox(hub, "b");
  await until(() => terminal.stdout().includes(" b "));
  const { seen, stderr } = await end();
  expect(seen).toEqual(["host.enroll-requested a", "host.enroll-requested b"]);
  expect(stderr).toContain("nothing was missed");
});

test("a follower of a hub that was put back says that there is a gap, and shows what comes next", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const { terminal, until, end } = following(hub, desk, "event follow --kind host");
  await until(() => terminal.stderr().includes("Following events after number "));
  for (const name of ["a", "b"]) await wireBox(hub, name);
  await until(() => terminal.stdout().includes(" b "));
  desk.cutStreams();
  await hub.hub.store.write("test.put-back", (tx) => tx.db.run("test.put-back", "DELETE FROM events WHERE kind = 'host.enroll-requested'"));
  await until(() => terminal.stderr().includes("open again"));
  await wireBox(hub, "c");
  await until(() => terminal.stdout().includes(" c "));
  const { seen, stderr } = await end();
  expect(seen.at(-1)).toBe("host.enroll-requested c");
  expect(stderr).toContain("what happened in between may be missing here");
  expect(stderr).not.toContain("nothing was missed");
});

test("doctor names each part, and what to run for the one that is broken", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  const checks = async () =>
    JSON.parse((await desk.run("doctor --hub -o json")).stdout).checks.map(({ id, status }: { id: string; status: string }) => `${id} ${status}`);
  expect(await checks()).toEqual(
    expect.arrayContaining([
      "vault ok",
      "context ok",
      "root ok",
      "reach ok",
      "tls ok",
      "ready ok",
      "session ok",
      "fleet ok",
      "clock ok",
      "backup warn",
      "bundle warn",
    ]),
  );
  desk.intercept((request, send) => (request.url.endsWith("/healthz") ? Promise.reject(new Fault("net_tls", "Cannot trust it")) : send()));
  expect(await checks()).toEqual(expect.arrayContaining(["tls fail", "fleet skipped", "bundle skipped"]));
  expect((await desk.run("doctor --hub")).code).toBe(1);
});

test("the audit log is walked here; a hub that rewrites it is caught by what was seen before", async () => {
  using hub = await testHub();
  const desk = await testWorkstation(hub);
  expect((await desk.run("audit verify")).code).toBe(0);
  expect((await desk.run("audit verify")).stdout).toContain("It continues what was seen here");
  desk.intercept(async (request, send) => {
    const reply = await send();
    if (!/\/audit\?/.test(request.url)) return reply;
    const json = JSON.parse(new TextDecoder().decode(reply.body));
    json.items = json.items.slice(-1);
    return { ...reply, body: new TextEncoder().encode(JSON.stringify(json)) };
  });
  const shortened = await desk.run("audit verify");
  expect([shortened.code, shortened.stdout]).toEqual([7, expect.stringContaining("shortened")]);
});
