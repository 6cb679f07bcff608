/**
 * One blob into the content store: appended to a `.part` file, resumed with a Range request, hashed on the way, renamed when it
 * is whole. A `.part` that turns out wrong is thrown away; nothing under its final name was ever unverified.
 */
import { Fault } from "../../../shared/core/fault.ts";
import { sha256Parts } from "../../../shared/core/sha256.ts";
import type { FileHandle } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import { paths } from "../../core/desired/paths.ts";
import type { BlobRef } from "../../core/worker/messages.ts";
import { assertSafe, joinUrl } from "./hub-client.ts";

const HEADERS_TIMEOUT_MS = 30_000;
/** No byte for this long: the connection is given up and resumed later. */
const IDLE_MS = 60_000;
const CHUNK_BYTES = 64 * 1024;

export interface BlobSource {
  readonly url: string;
  readonly pins: readonly string[];
  readonly credential: string;
  readonly dataDir: string;
  readonly reserveBytes: number;
}

/** Returns the bytes that came over the network. Throws `Fault`s of net and files, `refused` for wrong bytes. */
export async function fetchBlob(world: World, from: BlobSource, blob: BlobRef, stop: AbortSignal): Promise<number> {
  assertSafe(from.url);
  const { files } = world;
  const at = paths(from.dataDir);
  if (files.stat("blob.look", at.blob(blob.sha256)) !== undefined) return 0;
  if (files.stat("blob.look", at.blobDir(blob.sha256)) === undefined) makeDirOnce(world, at.blobDir(blob.sha256));
  const free = files.freeBytes("blob.preflight", at.blobs);
  if (free < blob.size + from.reserveBytes)
    throw new Fault("disk_full", `Cannot fetch ${blob.sha256}: ${free} bytes are free, ${blob.size} and a reserve of ${from.reserveBytes} are needed`);
  const part = at.part(blob.sha256);
  const hash = sha256Parts();
  let have = rehash(world, part, blob.size, hash);
  const started = have;
  if (have < blob.size || blob.size === 0) {
    const handle = files.open("blob.append", part, "append", 0o600);
    try {
      have = await download(world, from, blob, { have, hash, handle, stop });
      handle.sync();
    } finally {
      handle.close();
    }
  }
  if (have !== blob.size) throw new Fault("net_unreachable", `Cannot fetch ${blob.sha256}: it ended after ${have} of ${blob.size} bytes`);
  if (hash.hex() !== blob.sha256) {
    files.remove("blob.discard", part);
    throw new Fault("refused", `Cannot use what was fetched as ${blob.sha256}: it has another SHA-256`);
  }
  files.rename("blob.keep", part, at.blob(blob.sha256));
  return have - started;
}

interface Download {
  readonly have: number;
  readonly hash: ReturnType<typeof sha256Parts>;
  readonly handle: FileHandle;
  readonly stop: AbortSignal;
}

async function download(world: World, from: BlobSource, blob: BlobRef, { have, hash, handle, stop }: Download): Promise<number> {
  const idle = new AbortController();
  const end = (): void => idle.abort();
  stop.addEventListener("abort", end);
  try {
    const reply = await world.net.stream("blob.request", {
      method: "GET",
      url: joinUrl(from.url, `/agent/v1/blobs/${blob.sha256}`),
      headers: { authorization: `Bearer ${from.credential}`, ...(have === 0 ? {} : { range: `bytes=${have}-` }) },
      timeoutMs: HEADERS_TIMEOUT_MS,
      ...(from.pins.length === 0 ? {} : { pins: from.pins }),
      stop: idle.signal,
    });
    if (reply.status !== (have === 0 ? 200 : 206)) {
      end();
      // A hub that does not resume: begin again next time rather than append a second beginning.
      if (have > 0) world.files.remove("blob.discard", paths(from.dataDir).part(blob.sha256));
      throw new Fault(reply.status === 404 ? "not_found" : "unavailable", `Cannot fetch ${blob.sha256}: the hub answered ${reply.status}`, {
        facts: { status: reply.status },
      });
    }
    let total = have;
    let watch = idleWatch(world, end);
    for await (const chunk of reply.chunks) {
      watch.abort();
      total += chunk.byteLength;
      if (total > blob.size) {
        end();
        throw new Fault("net_too_large", `Cannot fetch ${blob.sha256}: more came than the ${blob.size} bytes that were signed`);
      }
      hash.update(chunk);
      handle.write(chunk);
      watch = idleWatch(world, end);
    }
    watch.abort();
    return total;
  } finally {
    stop.removeEventListener("abort", end);
  }
}

/** Cuts the stream unless it is aborted in time. */
function idleWatch(world: World, cut: () => void): AbortController {
  const moved = new AbortController();
  void world.clock.sleep(IDLE_MS, moved.signal).then(() => {
    if (!moved.signal.aborted) cut();
  });
  return moved;
}

/** What an earlier attempt left, hashed; too much is thrown away. */
function rehash(world: World, part: string, size: number, hash: ReturnType<typeof sha256Parts>): number {
  const stat = world.files.stat("blob.resume", part);
  if (stat === undefined) return 0;
  if (stat.kind !== "file" || stat.size > size) {
    world.files.remove("blob.discard", part);
    return 0;
  }
  const handle = world.files.open("blob.resume", part, "read");
  const chunk = new Uint8Array(CHUNK_BYTES);
  let have = 0;
  try {
    for (let count = handle.read(chunk); count > 0; count = handle.read(chunk)) {
      hash.update(chunk.subarray(0, count));
      have += count;
    }
  } finally {
    handle.close();
  }
  return have;
}

/** Two downloads may want one directory at the same instant. */
function makeDirOnce(world: World, path: string): void {
  try {
    world.files.makeDir("blob.dir", path, 0o700);
  } catch (error) {
    if (world.files.stat("blob.look", path)?.kind !== "directory") throw error;
  }
}
