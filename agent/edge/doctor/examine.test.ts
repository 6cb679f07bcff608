import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { Fault } from "../../../shared/core/fault.ts";
import type { Finished } from "../../../shared/ports/exec.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import { ensureIdentity } from "../enroll/identity.ts";
import { prepareDataDir } from "../store/data-dir.ts";
import { writeMembership } from "../store/membership.ts";
import { examine } from "./examine.ts";

let world: TestWorld;
let resolves: boolean;
let offsetMs: number;
const finished = (code: number): Finished => ({ code, signal: null, stdout: new Uint8Array(), stderr: new Uint8Array(), truncated: false, timedOut: false });

beforeEach(() => {
  resolves = true;
  offsetMs = 0;
  world = testWorld({
    exec: {
      start: () => {
        throw new Fault("exec_missing", "no");
      },
      run: (op) => Promise.resolve(finished(op === "doctor.dns" && resolves ? 0 : 1)),
      spawn: () => {
        throw new Fault("exec_missing", "no");
      },
    },
    net: {
      request: (_op, { url, unix }) => {
        if (unix !== undefined || url.startsWith("https://dead")) return Promise.reject(new Fault("net_unreachable", "Cannot connect"));
        return Promise.resolve({ status: 200, headers: { date: new Date(world.clock.wallMs() + offsetMs).toUTCString() }, body: new Uint8Array() });
      },
      stream: () => Promise.reject(new Fault("net_unreachable", "no")),
      serve: () => Promise.reject(new Fault("net_unreachable", "no")),
    },
  });
  prepareDataDir(world.files, world.self, world.dir);
  ensureIdentity(world, world.dir);
  writeMembership(world, world.dir, {
    v: 1,
    fleet_id: "f-aaaaaaaaaaaaaaaa" as never,
    host_id: "h-aaaaaaaaaaaaaaaa" as never,
    root_hash: "0".repeat(64) as never,
    pins: [],
    urls: ["https://hub.example", "https://dead.example"],
    credential: "c",
    enrolled_at: 0,
  });
});
afterEach(() => world.remove());

const found = async (): Promise<Readonly<Record<string, string>>> =>
  Object.fromEntries((await examine(world, { dataDir: world.dir, socketPath: `${world.dir}/agent.sock` })).map(({ id, status }) => [id, status]));

test("a policy of its own is said to be in force, and one that can't be read to stop every op", async () => {
  const policyPath = `${world.dir}/policy.yaml`;
  const said = async () => (await examine(world, { dataDir: world.dir, socketPath: `${world.dir}/agent.sock`, policyPath })).find(({ id }) => id === "policy");
  expect(await said()).toMatchObject({ status: "ok", detail: expect.stringContaining("none of its own") });
  writeFileSync(policyPath, "version: 1\ndeny: [host.*]\n");
  expect(await said()).toMatchObject({ status: "ok", detail: expect.stringContaining("is in force") });
  writeFileSync(policyPath, "version: 1\nraise: { cmd.run: read }\n");
  expect(await said()).toMatchObject({
    status: "fail",
    detail: expect.stringMatching(/a policy can only tighten; no op is taken$/),
    fix: expect.stringContaining("Mend"),
  });
});

test("each thing is looked at on its own, and what is wrong is named", async () => {
  expect(await found()).toMatchObject({
    clock: "ok",
    "data-dir": "ok",
    identity: "ok",
    membership: "ok",
    dns: "ok",
    "hub.0.reach": "ok",
    "hub.1.reach": "fail",
    agent: "fail",
    unit: "skipped",
  });
});

test("a clock that is off, a name that does not resolve, a key that others can read", async () => {
  offsetMs = 20 * 60_000;
  resolves = false;
  chmodSync(`${world.dir}/identity/signing.key`, 0o644);
  expect(await found()).toMatchObject({ clock: "fail", dns: "fail", identity: "fail" });
});
