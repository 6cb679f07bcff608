import { expect, test } from "bun:test";
import { utf8 } from "../../shared/core/bytes.ts";
import { isFault } from "../../shared/core/fault.ts";
import { testFleet, testHost } from "../../shared/sim/test-fleet.ts";
import { testWorld } from "../../shared/sim/test-world.ts";
import { readKnownHosts, rememberHosts, rememberRevoked } from "./known-hosts.ts";

const FLEET = testFleet().root.payload.fleet_id;
const [one, two] = [testHost("one").hostId, testHost("two").hostId];

test("a serial only grows, and a revocation stays", () => {
  using world = testWorld();
  const home = `${world.dir}/home`;
  expect(readKnownHosts(world, home, FLEET).size).toBe(0);
  rememberHosts(world, home, FLEET, [
    { hostId: one, serial: 3 },
    { hostId: two, serial: 1 },
  ]);
  rememberHosts(world, home, FLEET, [{ hostId: one, serial: 2 }]);
  rememberRevoked(world, home, FLEET, two);
  rememberHosts(world, home, FLEET, [{ hostId: two, serial: 9 }]);
  expect([...readKnownHosts(world, home, FLEET)]).toEqual([
    [one, { serial: 3, revoked: false }],
    [two, { serial: 9, revoked: true }],
  ]);
  expect(readKnownHosts(world, home, testFleet("two").root.payload.fleet_id).size).toBe(0);
});

test("commands beside each other wait for their turn: each remembers what it saw, and none gives up", async () => {
  using world = testWorld();
  const home = `${world.dir}/home`;
  const url = (path: string): string => JSON.stringify(new URL(path, import.meta.url).pathname);
  const writer = (first: number): string => `
    import { rememberHosts } from ${url("./known-hosts.ts")};
    import { testWorld } from ${url("../../shared/sim/test-world.ts")};
    import { testHost } from ${url("../../shared/sim/test-fleet.ts")};
    using world = testWorld();
    for (let at = 0; at < 25; at += 1)
      rememberHosts(world, ${JSON.stringify(home)}, ${JSON.stringify(FLEET)}, [{ hostId: testHost(String(${first} + at)).hostId, serial: 1 }]);`;
  const writers = [0, 100, 200, 300].map((first) => Bun.spawn([process.execPath, "-e", writer(first)], { stderr: "pipe" }));
  for (const child of writers) expect([await child.exited, (await new Response(child.stderr).text()).slice(0, 300)]).toEqual([0, ""]);
  expect(readKnownHosts(world, home, FLEET).size).toBe(100);
}, 240_000);

test("a damaged memory is an error, never an empty one", () => {
  using world = testWorld();
  const home = `${world.dir}/home`;
  rememberRevoked(world, home, FLEET, one);
  const path = `${home}/known-hosts/${FLEET}.json`;
  world.files.remove("test", path);
  const handle = world.files.open("test", path, "exclusive", 0o600);
  handle.write(utf8('{"v":1,"hosts":{'));
  handle.close();
  const thrown = (() => {
    try {
      return readKnownHosts(world, home, FLEET);
    } catch (error) {
      return isFault(error, "bad_request");
    }
  })();
  expect(thrown).toBe(true);
});
