import { connect, type Socket } from "node:net";
import { type Bench, median } from "./bench.ts";
import { type BenchHost, benchSync, makeHubFixture } from "./hub-fixture.ts";
import { type BenchServer, startBenchServer, withDir } from "./hub-server.ts";

/** Resident bytes that one held sync costs the hub, 10 000 held, against bare Bun.serve that holds the same requests. Fresh processes. */
const HELD = 10_000;
const AT_ONCE = 200;
const ROUNDS = 3;
/** Tells the bare server to answer this one. */
const ANSWER = { "x-answer": "1" };

export async function hubHeldRss(): Promise<Bench[]> {
  return withDir(async (dir) => {
    const hosts = await makeHubFixture(dir, HELD);
    const [values, floors]: [number[], number[]] = [[], []];
    for (let round = 0; round < ROUNDS; round += 1) {
      values.push(await bytesPerHeld(await startBenchServer("unpaced", dir, "0"), hosts));
      floors.push(await bytesPerHeld(await startBenchServer("bare", "0", "hold"), hosts));
    }
    const [value, floor] = [median(values), median(floors)];
    return [
      {
        bench: "hub.held_rss",
        value,
        unit: "B",
        floor,
        floorName: "bare Bun.serve holding the same",
        ratio: value / floor,
        mustReach: { at: "most", ratio: 1.6 },
      },
    ];
  });
}

async function bytesPerHeld(server: BenchServer, hosts: readonly BenchHost[]): Promise<number> {
  const sockets: Socket[] = [];
  try {
    await warmUp(server.port, hosts);
    const before = await server.rssBytes();
    for (let from = 0; from < hosts.length; from += AT_ONCE)
      sockets.push(...(await Promise.all(hosts.slice(from, from + AT_ONCE).map((host) => hold(server.port, host)))));
    // What was sent last is read before what is asked next, on this one loop.
    await Bun.sleep(1_000);
    const after = await server.rssBytes();
    const ended = sockets.filter((socket) => socket.destroyed || socket.bytesRead > 0).length;
    if (ended > 0) throw new Error(`${ended} of ${hosts.length} requests were not held`);
    return (after - before) / hosts.length;
  } finally {
    for (const socket of sockets) socket.destroy();
    await server.stop();
  }
}

/** Every host syncs once before: a hub answers the first at once, and what it loads and keeps for a known host is no cost of a held request. */
async function warmUp(port: number, hosts: readonly BenchHost[]): Promise<void> {
  for (const host of hosts) {
    const reply = await fetch(`http://127.0.0.1:${port}/agent/v1/sync`, {
      method: "POST",
      headers: { authorization: `Bearer ${host.credential}`, "content-type": "application/json", ...ANSWER },
      body: benchSync(host, 0),
    });
    await reply.text();
  }
}

function hold(port: number, host: BenchHost): Promise<Socket> {
  const body = benchSync(host, 55_000);
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(
        `POST /agent/v1/sync HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${host.credential}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
      resolve(socket);
    });
    socket.once("error", reject);
    socket.resume();
  });
}
