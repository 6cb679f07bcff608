import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { utf8 } from "../../../shared/core/bytes.ts";
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import type { NetRequest } from "../../../shared/ports/net.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import { paths } from "../../core/desired/paths.ts";
import { fetchBlob } from "./blob-fetch.ts";

const CONTENT = utf8("0123456789".repeat(100));
const blob = { sha256: sha256Hex(CONTENT), size: CONTENT.byteLength };
const never = new AbortController().signal;

let world: TestWorld;
let asked: Omit<NetRequest, "replyBytesMax">[];
let answer: (range: number) => { status: number; chunks: AsyncIterable<Uint8Array> };

beforeEach(() => {
  asked = [];
  answer = (from) => ({ status: from === 0 ? 200 : 206, chunks: some(CONTENT.subarray(from)) });
  world = testWorld({
    net: {
      request: () => Promise.reject(new Fault("net_unreachable", "no")),
      serve: () => Promise.reject(new Fault("net_unreachable", "no")),
      stream: (_op, request) => {
        asked.push(request);
        const range = /^bytes=(\d+)-$/.exec(request.headers?.["range"] ?? "bytes=0-")?.[1] ?? "0";
        return Promise.resolve({ headers: {}, ...answer(Number(range)) });
      },
    },
  });
  mkdirSync(paths(world.dir).blobs);
});
afterEach(() => world.remove());

async function* some(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

async function* cutAfter(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
  throw new Fault("net_unreachable", "the line is gone");
}

const get = (reserveBytes = 0) => fetchBlob(world, { url: "http://127.0.0.1:1", pins: [], credential: "c", dataDir: world.dir, reserveBytes }, blob, never);
const code = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "done",
    (error: unknown) => (isFault(error) ? error.code : "other"),
  );
const kept = (): boolean => existsSync(paths(world.dir).blob(blob.sha256));

describe("fetching a blob", () => {
  test("keeps it under its hash once it is whole", async () => {
    expect(await get()).toBe(1_000);
    expect(readFileSync(paths(world.dir).blob(blob.sha256), "utf8")).toBe("0123456789".repeat(100));
    expect(asked[0]?.headers).toEqual({ authorization: "Bearer c" });
  });

  test("goes on where it was cut", async () => {
    answer = () => ({ status: 200, chunks: cutAfter(CONTENT.subarray(0, 300)) });
    expect(await code(get())).toBe("net_unreachable");
    answer = (from) => ({ status: 206, chunks: some(CONTENT.subarray(from)) });
    expect(await get()).toBe(700);
    expect(asked[1]?.headers?.["range"]).toBe("bytes=300-");
    expect(kept()).toBe(true);
  });

  test("does not ask for what is here", async () => {
    await get();
    expect(await get()).toBe(0);
    expect(asked).toHaveLength(1);
  });

  test("begins anew with a hub that does not resume", async () => {
    mkdirSync(paths(world.dir).blobDir(blob.sha256));
    writeFileSync(paths(world.dir).part(blob.sha256), CONTENT.subarray(0, 300));
    answer = () => ({ status: 200, chunks: some(CONTENT) });
    expect(await code(get())).toBe("unavailable");
    expect(await code(get())).toBe("done");
  });

  test("a beginning that was altered on disk costs a new download, not a wrong blob", async () => {
    mkdirSync(paths(world.dir).blobDir(blob.sha256));
    writeFileSync(paths(world.dir).part(blob.sha256), "x".repeat(300));
    expect(await code(get())).toBe("refused");
    expect(kept()).toBe(false);
    expect(await get()).toBe(1_000);
  });

  const lies: readonly [string, () => AsyncIterable<Uint8Array>, string][] = [
    ["other bytes", () => some(utf8("x".repeat(1_000))), "refused"],
    ["more bytes", () => some(CONTENT, utf8("x")), "net_too_large"],
    ["fewer bytes", () => some(CONTENT.subarray(0, 10)), "net_unreachable"],
  ];
  for (const [name, chunks, wanted] of lies) {
    test(`${name}: ${wanted}, and nothing is kept`, async () => {
      answer = () => ({ status: 200, chunks: chunks() });
      expect(await code(get())).toBe(wanted);
      expect(kept()).toBe(false);
    });
  }

  test("a stream that says nothing for a minute is given up", async () => {
    answer = () => ({
      status: 200,
      chunks: (async function* () {
        yield CONTENT.subarray(0, 10);
        await new Promise<void>((resolve) => asked[0]?.stop?.addEventListener("abort", () => resolve()));
      })(),
    });
    const fetching = code(get());
    for (let second = 0; second < 70; second += 1) await world.clock.advance(1_000);
    expect(await fetching).toBe("net_unreachable");
  });

  test("never into the reserve of the disk", async () => {
    expect(await code(get(Number.MAX_SAFE_INTEGER))).toBe("disk_full");
    expect(asked).toEqual([]);
  });

  test("no TLS, no blob", async () => {
    expect(await code(fetchBlob(world, { url: "http://hub.example", pins: [], credential: "c", dataDir: world.dir, reserveBytes: 0 }, blob, never))).toBe(
      "bad_settings",
    );
  });
});
