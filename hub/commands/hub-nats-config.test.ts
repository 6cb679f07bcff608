import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import type { Call } from "../../shared/cli/command.ts";
import { isFault } from "../../shared/core/fault.ts";
import { realClock } from "../../shared/edge/clock.ts";
import type { Bus } from "../../shared/ports/bus.ts";
import { fakeCall, fakeTerminal } from "../../shared/sim/fake-terminal.ts";
import { freePort } from "../../shared/sim/free-port.ts";
import { natsServer, type RealNats, startNats, whyNoNats } from "../../shared/sim/real-nats.ts";
import { type TestHub, testHub } from "../../shared/sim/test-hub.ts";
import { issueForHost, issueForHub } from "../edge/nats/credentials.ts";
import { natsKeys } from "../edge/nats/keys.ts";
import { natsCaPem } from "../edge/nats/server-config.ts";
import { run } from "./hub-nats-config.ts";

const FLEET = "f-aaaaaaaaaaaaaaaa";

async function natsConfig(hub: TestHub, options: Call["options"], globals: Partial<Call["globals"]> = {}) {
  const terminal = fakeTerminal();
  const exit = await run(fakeCall({ world: hub.world, options: { "data-dir": hub.world.dir, "disk-gib": "1", ...options }, globals, terminal }));
  return { exit, out: terminal.stdout(), err: terminal.stderr() };
}

function connect(hub: TestHub, url: string, caPem: string | undefined): Promise<Bus> {
  const credentials = issueForHub(hub.world, natsKeys(hub.world, hub.world.dir), FLEET);
  return hub.world.buses.connect("test", {
    url,
    name: "hub",
    credentials,
    inbox: credentials.inbox,
    timeoutMs: 5_000,
    pingMs: 10_000,
    ...(caPem === undefined ? {} : { caPem }),
  });
}

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (isFault(error) ? error.code : String(error)),
  );

describe("what it asks for", () => {
  const bad: readonly (readonly [string, Call["options"]])[] = [
    ["nothing says by which name", {}],
    ["only this machine may be spoken to in plain text", { plain: true, listen: "0.0.0.0:4222" }],
    ["it is not address:port", { plain: true, listen: "4222" }],
    ["without the other", { hostname: "a", "tls-cert": "/x" }],
    ["--disk-gib", { plain: true, "disk-gib": "lots" }],
    ["--name", { plain: true, name: "a b" }],
    ["the route", { plain: true, route: "a/b" }],
  ];
  for (const [why, options] of bad) {
    test(why, async () => {
      using hub = await testHub();
      expect(await natsConfig(hub, options).then(String, String)).toContain(why);
      expect(existsSync(`${hub.world.dir}/nats`)).toBe(false);
    });
  }

  test("a dry run makes no key", async () => {
    using hub = await testHub();
    expect((await natsConfig(hub, { plain: true }, { dryRun: true })).exit).toBe(0);
    expect(existsSync(`${hub.world.dir}/nats`)).toBe(false);
  });

  test("keys are the hub's alone, stay the same, and are never in the file", async () => {
    using hub = await testHub();
    const first = await natsConfig(hub, { plain: true });
    const path = `${hub.world.dir}/nats/keys.json`;
    const keys = readFileSync(path, "utf8");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await natsConfig(hub, { plain: true });
    expect(readFileSync(path, "utf8")).toBe(keys);
    for (const name of ["operator", "account", "signing", "system"] as const) {
      expect(first.out).not.toContain(natsKeys(hub.world, hub.world.dir)[name].seedText);
      expect(first.out).not.toContain(JSON.parse(keys)[name]);
    }
  });
});

describe.skipIf(natsServer === null)(`a nats-server that reads it ${whyNoNats}`, () => {
  test("speaks TLS with the certificate that the hub made, and is not believed with another", async () => {
    using hub = await testHub();
    hub.world.clock.jumpWall(realClock.wallMs() - hub.world.clock.wallMs());
    const out = `${hub.world.dir}/nats-server.conf`;
    let said = "";
    const nats = await startNats({
      dir: hub.world.dir,
      prepare: async ({ port, storeDir }) => {
        said = (await natsConfig(hub, { hostname: ["localhost", "127.0.0.1"], listen: `127.0.0.1:${port}`, "store-dir": storeDir, out })).err;
        return readFileSync(out, "utf8");
      },
    });
    try {
      const url = `tls://127.0.0.1:${nats.port}`;
      expect(said).toContain(`tls://localhost:${nats.port}`);
      expect(said).toContain("felhom host spec NAME --nats");
      expect(await codeOf(natsConfig(hub, { hostname: "elsewhere.example.org" }))).toBe("conflict");
      const ca = natsCaPem(hub.world, hub.world.dir, "");
      const bus = await connect(hub, url, ca);
      expect(bus.server).toMatchObject({ name: "localhost", cluster: undefined, messageBytesMax: 2 * 1024 ** 2 });
      await bus.close();
      // The system's authorities do not know it; without TLS it does not talk.
      expect(await codeOf(connect(hub, url, undefined))).toBe("net_tls");
      expect(await codeOf(connect(hub, `nats://127.0.0.1:${nats.port}`, undefined))).not.toBe("done");
      const host = issueForHost(hub.world, natsKeys(hub.world, hub.world.dir), { fleetId: FLEET, hostId: "h-bbbbbbbbbbbbbbbb" });
      const box = await hub.world.buses.connect("test", {
        url,
        name: "box",
        credentials: host,
        inbox: host.inbox,
        timeoutMs: 5_000,
        pingMs: 10_000,
        ...(ca === undefined ? {} : { caPem: ca }),
      });
      await box.close();
    } finally {
      await nats.stop();
    }
  });

  test("three of them are a cluster that keeps three copies, over TLS among themselves", async () => {
    using hub = await testHub();
    hub.world.clock.jumpWall(realClock.wallMs() - hub.world.clock.wallMs());
    const routePorts = [await freePort(), await freePort(), await freePort()];
    const servers: RealNats[] = [];
    try {
      for (const [at, own] of routePorts.entries()) {
        const dir = `${hub.world.dir}/n${at}`;
        mkdirSync(dir);
        servers.push(
          await startNats({
            dir,
            prepare: async ({ port, storeDir }) => {
              const route = routePorts.filter((other) => other !== own).map((other) => `127.0.0.1:${other}`);
              const { out } = await natsConfig(hub, { hostname: "127.0.0.1", name: `n${at}`, listen: `127.0.0.1:${port}`, "store-dir": storeDir, route });
              return out.replace('listen: "0.0.0.0:6222"', `listen: "127.0.0.1:${own}"`);
            },
          }),
        );
      }
      const ca = natsCaPem(hub.world, hub.world.dir, "");
      const bus = await connect(hub, `tls://127.0.0.1:${servers[0]?.port}`, ca);
      expect(bus.server.cluster).toBe("felhom");
      const streams = await bus.streams();
      const wanted = { name: "s", subjects: ["felhom.s"], bytesMax: 1024 ** 2, ageMsMax: 60_000, messageBytesMax: 1_024, perSubjectMax: 10, replicas: 3 };
      // A new cluster elects a leader first.
      let made: string | undefined;
      for (let tries = 0; tries < 200 && made !== "ready"; tries += 1) {
        made = await streams.ensure(wanted).then(
          ({ is }) => is,
          () => undefined,
        );
        if (made !== "ready") await Bun.sleep(50);
      }
      expect(made).toBe("ready");
      expect((await streams.status("s"))?.stream.replicas).toBe(3);
      await bus.close();
    } finally {
      for (const server of servers) await server.kill();
    }
  }, 240_000);
});
