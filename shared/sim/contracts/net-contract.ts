import { afterAll, describe, expect, test } from "bun:test";
import { fromUtf8, utf8 } from "../../core/bytes.ts";
import { isFault } from "../../core/fault.ts";
import type { Handler, Listener, Net, NetRequest } from "../../ports/net.ts";

export interface NetUnderTest {
  /** Whoever asks. */
  readonly client: Net;
  /** Whoever serves. */
  readonly server: Net;
  /** Lets virtual time pass where it is virtual; real time where it is real. */
  pass(ms: number): Promise<void>;
}

const COMMON = { method: "GET", timeoutMs: 5_000, replyBytesMax: 10_000 } as const;

/** What every `Net` promises, over TCP and without TLS. */
export function netContract(name: string, make: () => NetUnderTest): void {
  describe(`net: ${name}`, () => {
    const net = make();
    const listeners: Listener[] = [];
    const serve = async (handler: Handler, bodyBytesMax = 1_000): Promise<string> => {
      const listener = await net.server.serve("test", { on: "tcp", address: "127.0.0.1", port: 0, bodyBytesMax }, handler);
      listeners.push(listener);
      return listener.url;
    };
    const ask = (request: Partial<NetRequest> & { readonly url: string }): Promise<unknown> =>
      net.client.request("test", { ...COMMON, ...request }).then(
        ({ status, headers, body }) => ({ status, kind: headers["x-kind"], body: fromUtf8(body) }),
        (error: unknown) => (isFault(error) ? error.code : error),
      );
    afterAll(async () => {
      await Promise.all([...listeners.map((listener) => listener.stop(0)), net.pass(10)]);
    });

    test("a request arrives whole and its reply comes back", async () => {
      const url = await serve(async (request, peer) => {
        const body = await request.text();
        const seen = [request.method, new URL(request.url).pathname, request.headers.get("x-a"), body, peer.address];
        return new Response(seen.join(" "), { status: 201, headers: { "X-Kind": "k" } });
      });
      const answered = ask({ url: `${url}/path`, method: "POST", headers: { "x-a": "1" }, body: utf8("hello") });
      await net.pass(100);
      expect(await answered).toEqual({ status: 201, kind: "k", body: "POST /path 1 hello 127.0.0.1" });
    });

    test("a status is never a throw, a redirect is not followed", async () => {
      const url = await serve((request) =>
        request.url.endsWith("/moved") ? new Response(null, { status: 302, headers: { location: "/" } }) : new Response("no", { status: 500 }),
      );
      const both = Promise.all([ask({ url }), ask({ url: `${url}/moved` })]);
      await net.pass(100);
      expect(await both).toEqual([
        { status: 500, kind: undefined, body: "no" },
        { status: 302, kind: undefined, body: "" },
      ]);
    });

    test("nobody there is net_unreachable", async () => {
      const asked = ask({ url: "http://127.0.0.1:1" });
      await net.pass(100);
      expect(await asked).toBe("net_unreachable");
    });

    test("an answer above its bound is net_too_large, one of exactly the bound is taken", async () => {
      const url = await serve(() => new Response("12345"));
      const both = Promise.all([ask({ url, replyBytesMax: 4 }), ask({ url, replyBytesMax: 5 })]);
      await net.pass(100);
      expect(await both).toEqual(["net_too_large", { status: 200, kind: undefined, body: "12345" }]);
    });

    test("silence is net_timeout", async () => {
      const url = await serve(() => new Promise<Response>(() => undefined));
      const asked = ask({ url, timeoutMs: 50 });
      await net.pass(100);
      expect(await asked).toBe("net_timeout");
    });

    test("stopping cuts a request that waits", async () => {
      const url = await serve((_request, peer) => {
        peer.hold();
        return new Promise<Response>(() => undefined);
      });
      const stop = new AbortController();
      const asked = ask({ url, stop: stop.signal });
      await net.pass(30);
      stop.abort();
      expect(await asked).toBe("net_unreachable");
    });

    test("the handler hears that its asker left", async () => {
      let left = false;
      const url = await serve((request) => {
        request.signal.addEventListener("abort", () => {
          left = true;
        });
        return new Promise<Response>(() => undefined);
      });
      const stop = new AbortController();
      const asked = ask({ url, stop: stop.signal });
      await net.pass(30);
      stop.abort();
      await asked;
      await net.pass(30);
      expect(left).toBe(true);
    });

    test("a body above the server's bound is refused with 413", async () => {
      const url = await serve(async (request) => new Response(String((await request.bytes()).byteLength)), 10);
      const both = Promise.all([ask({ url, method: "POST", body: new Uint8Array(11) }), ask({ url, method: "POST", body: new Uint8Array(10) })]);
      await net.pass(100);
      expect(await both).toMatchObject([{ status: 413 }, { status: 200, body: "10" }]);
    });

    test("a stream's chunks come as they are made", async () => {
      let push: (text: string) => void = () => undefined;
      let end: () => void = () => undefined;
      const url = await serve(() => {
        const body = new ReadableStream<Uint8Array>({
          start: (controller) => {
            push = (text) => controller.enqueue(utf8(text));
            end = () => controller.close();
            push("first");
          },
        });
        return new Response(body);
      });
      const opened = net.client.stream("test", { method: "GET", url, timeoutMs: 5_000 });
      await net.pass(50);
      const { status, chunks } = await opened;
      expect(status).toBe(200);
      const seen: string[] = [];
      const reading = (async () => {
        for await (const chunk of chunks) seen.push(fromUtf8(chunk));
      })();
      await net.pass(50);
      expect(seen.join("")).toBe("first");
      push("second");
      await net.pass(50);
      expect(seen.join("")).toBe("firstsecond");
      end();
      await net.pass(50);
      await reading;
    });

    test("a port has one listener: a second one is told so, and the first goes on", async () => {
      const listener = await net.server.serve("test", { on: "tcp", address: "127.0.0.1", port: 0, bodyBytesMax: 1_000 }, () => new Response("first"));
      listeners.push(listener);
      const second = await net.server
        .serve("test", { on: "tcp", address: "127.0.0.1", port: listener.port, bodyBytesMax: 1_000 }, () => new Response("second"))
        .then(
          (other) => listeners.push(other),
          (error: unknown) => (isFault(error) ? [error.code, error.message.endsWith("EADDRINUSE")] : error),
        );
      expect(second).toEqual(["net_unreachable", true]);
      const asked = ask({ url: listener.url });
      await net.pass(100);
      expect(await asked).toMatchObject({ body: "first" });
    });

    test("a listener that stopped is not there any more", async () => {
      const listener = await net.server.serve("test", { on: "tcp", address: "127.0.0.1", port: 0, bodyBytesMax: 10 }, () => new Response("here"));
      const before = ask({ url: listener.url });
      await net.pass(50);
      expect(await before).toMatchObject({ status: 200 });
      const stopping = listener.stop(0);
      await net.pass(200);
      await stopping;
      const after = ask({ url: listener.url });
      await net.pass(50);
      expect(await after).toBe("net_unreachable");
    });
  });
}
