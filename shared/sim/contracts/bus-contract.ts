/** What every Bus has to do: the real one on a real nats-server, and the simulated one. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fromUtf8, utf8 } from "../../core/bytes.ts";
import { isFault } from "../../core/fault.ts";
import type { Bus, BusCredentials, BusMessage, Consumer, Delivery } from "../../ports/bus.ts";

export interface BusUnderTest {
  connect(who: "hub" | "host", onRefused?: (subject: string) => void): Promise<Bus>;
  /** Credentials of the host that live for some two seconds. */
  connectShort(): Promise<Bus>;
  connectExpired(): Promise<Bus>;
  /** The server ends like a process that was killed. */
  kill(): Promise<void>;
  start(): Promise<void>;
  loseStreams(): void;
  stop(): Promise<void>;
  readonly subjects: {
    readonly toHost: string;
    readonly fromHost: string;
    readonly everyAck: string;
    readonly hostAck: string;
    readonly others: string;
    readonly stream: string;
  };
}

export type { BusCredentials };

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (isFault(error) ? error.code : String(error)),
  );

export function busContract(name: string, open: () => Promise<BusUnderTest>, skip = false): void {
  describe.skipIf(skip)(`bus: ${name}`, () => {
    const state: { under?: BusUnderTest; hub?: Bus; host?: Bus } = {};
    const refused: string[] = [];
    const get = <T>(value: T | undefined): T => {
      if (value === undefined) throw new Error("not open");
      return value;
    };
    const under = (): BusUnderTest => get(state.under);
    const hub = (): Bus => get(state.hub);
    const host = (): Bus => get(state.host);
    const both = async (): Promise<void> => {
      state.hub = await under().connect("hub");
      state.host = await under().connect("host", (subject) => refused.push(subject));
    };
    beforeAll(async () => {
      state.under = await open();
      await both();
    });
    afterAll(() => under().stop());

    const wanted = (changes: object = {}) => ({
      name: under().subjects.stream,
      subjects: [under().subjects.fromHost],
      bytesMax: 1024 ** 2,
      ageMsMax: 3_600_000,
      messageBytesMax: 64 * 1024,
      perSubjectMax: 3,
      replicas: 1,
      ...changes,
    });
    const consumer = async (): Promise<Consumer> =>
      (await hub().streams()).consume(under().subjects.stream, { durable: "hub", ackWaitMs: 30_000, unackedMax: 100 });
    const textsOf = (deliveries: readonly Delivery[]): readonly string[] => deliveries.map(({ body }) => fromUtf8(body));

    test("what is published reaches who listens, in order, and nobody after the end", async () => {
      const heard: string[] = [];
      const third = Promise.withResolvers<void>();
      const listening = await host().subscribe(under().subjects.toHost, ({ body }: BusMessage) => {
        if (heard.push(fromUtf8(body)) === 3) third.resolve();
      });
      for (const text of ["1", "2", "3"]) hub().publish(under().subjects.toHost, utf8(text));
      await third.promise;
      listening.end();
      hub().publish(under().subjects.toHost, utf8("4"));
      await hub().flush(5_000);
      await host().flush(5_000);
      expect(heard).toEqual(["1", "2", "3"]);
    });

    test("a wildcard hears every one of its subjects, by name", async () => {
      const came = Promise.withResolvers<string>();
      const listening = await hub().subscribe(under().subjects.everyAck, ({ subject }) => came.resolve(subject));
      host().publish(under().subjects.hostAck, utf8("x"));
      expect(await came.promise).toBe(under().subjects.hostAck);
      listening.end();
    });

    test("a subject that the credentials do not reach: refused, and the connection goes on", async () => {
      expect(await codeOf(host().subscribe(under().subjects.others, () => undefined))).toBe("denied");
      expect(await codeOf(host().subscribe(">", () => undefined))).toBe("denied");
      host().publish(under().subjects.others, utf8("x"));
      await host().flush(5_000);
      expect(refused).toEqual([under().subjects.others]);
      expect(await codeOf(host().request(under().subjects.others, utf8("x"), 1_000))).toBe("denied");
      await host().flush(5_000);
    });

    test("asking where nobody listens says so", async () => {
      expect(await codeOf(host().request(under().subjects.hostAck, utf8("x"), 1_000))).toBe("unavailable");
    });

    test("without a stream nothing is kept, and the sender hears it", async () => {
      expect(await codeOf(host().publishDurable(under().subjects.fromHost, utf8("x"), 1_000))).toBe("unavailable");
      expect(await (await hub().streams()).status(under().subjects.stream)).toBeUndefined();
    });

    test("more copies than servers: too few servers, as a verdict", async () => {
      expect(await (await hub().streams()).ensure(wanted({ replicas: 3 }))).toEqual({ is: "too_few_servers" });
    });

    test("a stream is made once, keeps what came, and gives it until it is acknowledged", async () => {
      const streams = await hub().streams();
      expect(await streams.ensure(wanted())).toMatchObject({ is: "ready", status: { messages: 0, replicas: 1, replicasCurrent: 1 } });
      expect(await streams.ensure(wanted())).toMatchObject({ is: "ready" });
      expect(await streams.ensure(wanted({ replicas: 3 }))).toEqual({ is: "too_few_servers" });
      expect((await streams.status(under().subjects.stream))?.stream).toMatchObject({ replicas: 1, replicasCurrent: 1 });
      for (const text of ["a", "b"])
        expect(await host().publishDurable(under().subjects.fromHost, utf8(text), 5_000)).toMatchObject({ stream: under().subjects.stream });
      const first = await consumer();
      const taken: Delivery[] = [];
      while (taken.length < 2) taken.push(...(await first.take(10, 5_000)));
      expect(textsOf(taken)).toEqual(["a", "b"]);
      expect(taken.map(({ deliveries }) => deliveries)).toEqual([1, 1]);
      taken[0]?.ack();
      taken[1]?.later(1);
      const again = await first.take(10, 5_000);
      expect([textsOf(again), again[0]?.deliveries]).toEqual([["b"], 2]);
      again[0]?.ack();
      await hub().flush(5_000);
      expect(await first.take(10, 10)).toEqual([]);
      await first.end();
      expect(await codeOf(first.take(10, 10))).not.toBe("done");
    });

    test("one sender fills its own share and no more", async () => {
      const results: string[] = [];
      for (let count = 0; count < 5; count += 1) results.push(await codeOf(host().publishDurable(under().subjects.fromHost, utf8(String(count)), 5_000)));
      expect(results).toEqual(["done", "done", "done", "unavailable", "unavailable"]);
      const reader = await consumer();
      const taken: Delivery[] = [];
      while (taken.length < 3) taken.push(...(await reader.take(10, 5_000)));
      for (const one of taken) one.ack();
      await hub().flush(5_000);
      await reader.end();
      // There is room again once the server has taken the acknowledgements, which it does when it comes to it.
      const more = (): Promise<string> => codeOf(host().publishDurable(under().subjects.fromHost, utf8("again"), 5_000));
      let result = await more();
      for (let tries = 0; tries < 200 && result === "unavailable"; tries += 1) {
        await Bun.sleep(10);
        result = await more();
      }
      expect(result).toBe("done");
    });

    test("too much for the server is refused here", () => {
      expect(() => hub().publish(under().subjects.toHost, new Uint8Array(hub().server.messageBytesMax + 1))).toThrow("Cannot publish");
    });

    test("a server that is killed ends the connections, says why, and nothing reconnects by itself", async () => {
      const [hubBus, hostBus] = [hub(), host()];
      await under().kill();
      expect([(await hubBus.closed)?.code, (await hostBus.closed)?.code]).toEqual(["net_unreachable", "net_unreachable"]);
      expect(() => hubBus.publish(under().subjects.toHost, utf8("x"))).toThrow();
      expect(await codeOf(under().connect("hub"))).toBe("net_unreachable");
      await under().start();
      await both();
    });

    test("what a stream kept is there after the kill, and gone when the store is gone", async () => {
      // What was acknowledged a moment before the kill may be back as well: a server takes its time to forget on disk.
      const reader = await consumer();
      const texts: string[] = [];
      for (let tries = 0; tries < 10 && !texts.includes("again"); tries += 1) texts.push(...textsOf(await reader.take(10, 1_000)));
      expect(texts).toContain("again");
      await reader.end();
      await under().kill();
      under().loseStreams();
      await under().start();
      await both();
      expect(await (await hub().streams()).status(under().subjects.stream)).toBeUndefined();
    });

    test("expired credentials are refused, and those that expire end the connection", async () => {
      expect(await codeOf(under().connectExpired())).toBe("denied");
      const short = await under().connectShort();
      expect((await short.closed)?.code).toBe("denied");
    });

    test("a close of one's own is no fault", async () => {
      const mine = await under().connect("host");
      await mine.close();
      expect(await mine.closed).toBeUndefined();
    });
  });
}
