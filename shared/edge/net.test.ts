import { describe, expect, test } from "bun:test";
import { connect, createServer, type AddressInfo } from "node:net";
import { X509Certificate } from "node:crypto";
import { fromUtf8 } from "../core/bytes.ts";
import { isFault } from "../core/fault.ts";
import type { NetRequest } from "../ports/net.ts";
import { netContract } from "../sim/contracts/net-contract.ts";
import { testWorld } from "../sim/test-world.ts";
import { realNet } from "./net.ts";
import { spkiOf } from "./spki.ts";
import { selfSigned } from "./testdata/self-signed.ts";

const pass = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
netContract("real", () => ({ client: realNet(), server: realNet(), pass }));

const COMMON = { method: "GET", timeoutMs: 5_000, replyBytesMax: 10_000 } as const;
const codeOf = (error: unknown): unknown => (isFault(error) ? error.code : error);

describe("a pinned key", () => {
  const ask = (net: ReturnType<typeof realNet>, request: Partial<NetRequest> & { readonly url: string }): Promise<unknown> =>
    net.request("test", { ...COMMON, ...request }).then(({ body }) => fromUtf8(body), codeOf);

  test("is the only thing that counts: the right one opens, whatever the name, another refuses", async () => {
    const [right, other] = await Promise.all([selfSigned(["elsewhere.example"]), selfSigned(["127.0.0.1"])]);
    const net = realNet();
    const listener = await net.serve("test", { on: "tcp", address: "127.0.0.1", port: 0, tls: right, bodyBytesMax: 10 }, () => new Response("in"));
    expect(await ask(net, { url: listener.url, pins: [other.pin, right.pin] })).toBe("in");
    expect(await ask(net, { url: listener.url, pins: [right.pin] })).toBe("in");
    expect(await ask(net, { url: listener.url, pins: [other.pin] })).toBe("net_tls");
    expect(await ask(net, { url: listener.url })).toBe("net_tls");
    await listener.stop(0);
  });

  test("sends no request to a server with another key, also when the certificate is remembered", async () => {
    const [right, imposter] = await Promise.all([selfSigned(["127.0.0.1"]), selfSigned(["127.0.0.1"])]);
    const net = realNet();
    const first = await net.serve("test", { on: "tcp", address: "127.0.0.1", port: 0, tls: right, bodyBytesMax: 10 }, () => new Response("in"));
    for (const keep of [false, true]) expect(await ask(net, { url: first.url, pins: [right.pin], keep })).toBe("in");
    await first.stop(0);
    let asked = 0;
    const second = await net.serve("test", { on: "tcp", address: "127.0.0.1", port: first.port, tls: imposter, bodyBytesMax: 10 }, () => {
      asked += 1;
      return new Response("caught");
    });
    for (const keep of [false, true, true]) expect(await ask(net, { url: second.url, pins: [right.pin], keep })).toBe("net_tls");
    expect(asked).toBe(0);
    await second.stop(0);
  });

  test("may be one of two, so that the server's key can be replaced under a running agent", async () => {
    const [old, next] = await Promise.all([selfSigned(["127.0.0.1"]), selfSigned(["127.0.0.1"])]);
    const net = realNet();
    const first = await net.serve("test", { on: "tcp", address: "127.0.0.1", port: 0, tls: old, bodyBytesMax: 10 }, () => new Response("old"));
    expect(await ask(net, { url: first.url, pins: [old.pin, next.pin] })).toBe("old");
    await first.stop(0);
    const second = await net.serve("test", { on: "tcp", address: "127.0.0.1", port: first.port, tls: next, bodyBytesMax: 10 }, () => new Response("next"));
    expect(await ask(net, { url: second.url, pins: [old.pin, next.pin] })).toBe("next");
    await second.stop(0);
  });

  test("a server that accepts and then says nothing is net_timeout", async () => {
    const silent = createServer(() => undefined);
    const port = await new Promise<number>((resolve) => silent.listen(0, "127.0.0.1", () => resolve((silent.address() as AddressInfo).port)));
    expect(await ask(realNet(), { url: `https://127.0.0.1:${port}`, pins: ["any"], timeoutMs: 100 })).toBe("net_timeout");
    silent.close();
  });

  test("the key's bytes are found where X509Certificate finds them", async () => {
    const { certPem } = await selfSigned(["a.example"]);
    const certificate = new X509Certificate(certPem);
    expect(spkiOf(new Uint8Array(certificate.raw))).toEqual(new Uint8Array(certificate.publicKey.export({ type: "spki", format: "der" })));
  });

  test("bytes that are no certificate are refused", () => {
    for (const bytes of [[], [0x30], [0x30, 0x80], [0x30, 0x03, 0x30, 0x01, 0x00], [0x30, 0x84, 0xff, 0xff, 0xff, 0xff]]) {
      expect(() => spkiOf(new Uint8Array(bytes))).toThrow("not DER");
    }
  });
});

test("an answer that is cut in the middle is a failure, never a short answer", async () => {
  for (const head of ["Content-Length: 100\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"]) {
    const server = createServer((socket) => {
      socket.on("data", () => socket.end(`HTTP/1.1 200 OK\r\n${head}`));
    });
    const port = await new Promise<number>((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
    const asked = await realNet()
      .request("test", { ...COMMON, url: `http://127.0.0.1:${port}` })
      .then(({ body }) => fromUtf8(body), codeOf);
    expect(asked).toBe("net_unreachable");
    server.close();
  }
});

test("a local socket has its mode, replaces one that a crash left, and nothing else", async () => {
  using world = testWorld();
  const net = realNet();
  const path = `${world.dir}/agent.sock`;
  const listen = { on: "unix", path, mode: 0o600, bodyBytesMax: 10 } as const;
  const listener = await net.serve("test", listen, (_request, peer) => new Response(peer.address));
  expect(world.files.stat("test", path)?.mode).toBe(0o600);
  const reply = await net.request("test", { ...COMMON, url: "http://agent/", unix: path });
  expect(fromUtf8(reply.body)).toBe("unix");
  await listener.stop(0);

  await leaveStaleSocket(path);
  const again = await net.serve("test", listen, () => new Response());
  await again.stop(0);

  world.files.open("test", `${world.dir}/file`, "exclusive").close();
  expect(codeOf(await net.serve("test", { ...listen, path: `${world.dir}/file` }, () => new Response()).catch((error: unknown) => error))).toBe("file_exists");
});

/** As after kill -9: the file is there, nobody listens. */
async function leaveStaleSocket(path: string): Promise<void> {
  const child = Bun.spawn(
    [process.execPath, "-e", `Bun.listen({ unix: ${JSON.stringify(path)}, socket: { data() {} } }); console.log("up"); setTimeout(() => {}, 1e6)`],
    { stdout: "pipe" },
  );
  await child.stdout.getReader().read();
  child.kill("SIGKILL");
  await child.exited;
  await new Promise<void>((resolve) => connect(path).on("error", () => resolve()));
}
