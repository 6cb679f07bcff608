import { expect, test } from "bun:test";
import { connect, createServer, type AddressInfo } from "node:net";
import { fromUtf8 } from "../core/bytes.ts";
import { isFault } from "../core/fault.ts";
import type { NetRequest } from "../ports/net.ts";
import { KeptConnection, REUSE_MS } from "./kept-connection.ts";
import { realNet } from "./net.ts";
import { selfSigned } from "./testdata/self-signed.ts";

const CERT = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

test("is the same while it is fresh, and another for ever after", () => {
  const kept = new KeptConnection(CERT);
  const seen = new Set<unknown>();
  const take = (nowMs: number): unknown => kept.take(nowMs)?.ca;
  const first = take(0);
  kept.answered(60_000); // held for a minute: what counts is the answer
  expect(take(60_000 + REUSE_MS)).toBe(first);
  kept.answered(70_000);
  seen.add(first);
  for (let nowMs = 80_000; nowMs < 1_000_000; nowMs += 10_000) {
    const next = take(nowMs);
    expect(seen.has(next)).toBe(false);
    seen.add(next);
    kept.answered(nowMs);
  }
});

test("is taken by one request at a time, and after a failure never again", () => {
  const kept = new KeptConnection(CERT);
  const first = kept.take(0)?.ca;
  expect(kept.take(0)).toBeUndefined();
  kept.answered(1);
  expect(kept.take(2)?.ca).toBe(first);
  kept.lost();
  expect(kept.take(3)?.ca).not.toBe(first);
});

/** A server behind a proxy that counts connections. The first of them only looks at the certificate. */
async function counted(names: readonly string[]) {
  const { pin, ...tls } = await selfSigned(names);
  const net = realNet();
  const listener = await net.serve(
    "test",
    { on: "tcp", address: "127.0.0.1", port: 0, tls, bodyBytesMax: 100 },
    async (request) => new Response(await request.text()),
  );
  const count = { connections: 0 };
  const proxy = createServer((socket) => {
    count.connections += 1;
    const onward = connect(listener.port, "127.0.0.1");
    socket.pipe(onward).pipe(socket);
    socket.on("error", () => onward.destroy());
    onward.on("error", () => socket.destroy());
  });
  const port = await new Promise<number>((resolve) => proxy.listen(0, "127.0.0.1", () => resolve((proxy.address() as AddressInfo).port)));
  const ask = (request: Partial<NetRequest> = {}): Promise<unknown> =>
    net.request("test", { method: "POST", url: `https://127.0.0.1:${port}`, timeoutMs: 5_000, replyBytesMax: 100, pins: [pin], ...request }).then(
      ({ body }) => fromUtf8(body),
      (error: unknown) => (isFault(error) ? error.code : error),
    );
  return {
    ask,
    net,
    pin,
    url: `https://127.0.0.1:${port}`,
    count,
    [Symbol.asyncDispose]: async () => {
      proxy.close();
      await listener.stop(0);
    },
  };
}

const body = new TextEncoder().encode("hello");

test("requests that follow each other share a connection when they ask for it, a stream too; others never do", async () => {
  await using server = await counted(["127.0.0.1"]);
  for (let at = 0; at < 10; at += 1) expect(await server.ask({ body, keep: true })).toBe("hello");
  // Two, unless this machine stood still for longer than a connection is kept.
  expect(server.count.connections).toBeLessThan(6);
  const { chunks } = await server.net.stream("test", { method: "POST", url: server.url, timeoutMs: 5_000, pins: [server.pin], body, keep: true });
  for await (const chunk of chunks) expect(fromUtf8(chunk)).toBe("hello");
  const before = server.count.connections;
  for (let at = 0; at < 3; at += 1) expect(await server.ask({ body })).toBe("hello");
  expect(server.count.connections).toBe(before + 3);
});

test("two at once are two connections, and what came to a bad end is not used again", async () => {
  await using server = await counted(["127.0.0.1"]);
  expect(await server.ask({ body, keep: true })).toBe("hello");
  const first = server.count.connections;
  await Promise.all([server.ask({ body, keep: true }), server.ask({ body, keep: true })]);
  expect(server.count.connections).toBeGreaterThan(first);
  expect(await server.ask({ body, replyBytesMax: 3, keep: true })).toBe("net_too_large");
  const before = server.count.connections;
  expect(await server.ask({ body, keep: true })).toBe("hello");
  expect(server.count.connections).toBe(before + 1);
});

test("a certificate made out to another name still opens with its pin, one connection for each request", async () => {
  await using server = await counted(["elsewhere.example"]);
  for (let at = 0; at < 3; at += 1) expect(await server.ask({ body, keep: true })).toBe("hello");
  expect(server.count.connections).toBe(4);
});
