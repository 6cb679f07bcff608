/**
 * `felhom agent-worker`: one request on stdin, one result on stdout, gone. Started by the resident agent only; the role is
 * hidden because it is no interface for people. All heavy libraries (crypto, msgpack, libsodium, providers) live and die here.
 */
import * as z from "zod/mini";
import { unreachable } from "../shared/core/assert.ts";
import { fromUtf8, utf8 } from "../shared/core/bytes.ts";
import { Fault, flatten, isFault } from "../shared/core/fault.ts";
import type { World } from "../shared/ports/world.ts";
import { paths } from "./core/desired/paths.ts";
import { WORKER_REQUEST_BYTES_MAX } from "./core/worker/limits.ts";
import { type WorkerRequest, workerRequest, type WorkerResult } from "./core/worker/messages.ts";
import { adopt } from "./edge/desired/adopt.ts";
import { heldOf } from "./edge/desired/held.ts";
import { loadDesired } from "./edge/desired/load-desired.ts";
import { stage } from "./edge/desired/stage.ts";

/** Never rejects for what the world did: a fault is a result too. A broken invariant does reject, and the process ends with it. */
export async function runWorker(input: Uint8Array, world: World, stop: AbortSignal): Promise<Uint8Array> {
  return utf8(JSON.stringify(await answer(input, world, stop)));
}

async function answer(input: Uint8Array, world: World, stop: AbortSignal): Promise<WorkerResult> {
  try {
    return await run(parseRequest(input), world, stop);
  } catch (error) {
    if (!isFault(error)) throw error;
    return { op: "failed", code: error.code, because: flatten(error).slice(0, 2_048) };
  }
}

async function run(request: WorkerRequest, world: World, stop: AbortSignal): Promise<WorkerResult> {
  const { dataDir } = request.settings;
  if (request.op === "status") return { op: "status", held: await heldOf(world, dataDir, loadDesired(world, dataDir)) };
  if (request.op === "unseal") {
    const { unsealNats } = await import("./edge/nats/unseal.ts");
    return unsealNats(world, dataDir, request.sealed);
  }
  if (request.op === "plan") {
    const { runPlan } = await import("./edge/desired/plan-run.ts");
    return runPlan(world, request, stop);
  }
  // A worker may outlive the agent that started it (kill -9): the next agent's worker must not run beside it.
  const lock = world.files.lock("worker.lock", request.op === "converge" ? paths(dataDir).convergeLock : paths(dataDir).documentsLock);
  try {
    return await work(request, world, stop);
  } finally {
    lock.release();
  }
}

async function work(request: Exclude<WorkerRequest, { readonly op: "status" | "plan" | "unseal" }>, world: World, stop: AbortSignal): Promise<WorkerResult> {
  const { dataDir } = request.settings;
  switch (request.op) {
    case "adopt": {
      const { desired, advanced, newSpec, refused } = adopt(world, dataDir, request);
      return { op: "adopt", held: await heldOf(world, dataDir, desired), advanced, newSpec, refused: [...refused] };
    }
    case "stage": {
      const { desired, staged, refused } = stage(world, request.settings);
      return { op: "stage", held: await heldOf(world, dataDir, desired), staged, refused: [...refused] };
    }
    case "converge": {
      const { runConverge } = await import("./edge/desired/converge-run.ts");
      return runConverge(world, request, stop);
    }
    case "apply-spec": {
      const { applySpec } = await import("./edge/desired/apply-spec.ts");
      return applySpec(world, request);
    }
    default:
      return unreachable(request);
  }
}

function parseRequest(input: Uint8Array): WorkerRequest {
  if (input.byteLength > WORKER_REQUEST_BYTES_MAX) throw new Fault("too_large", `Cannot take a request of ${input.byteLength} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(fromUtf8(input));
  } catch (cause) {
    throw new Fault("bad_request", "Cannot read the request: it is not JSON", { cause });
  }
  const parsed = z.safeParse(workerRequest, json);
  if (!parsed.success) throw new Fault("bad_request", `Cannot read the request: ${parsed.error.issues[0]?.path.map(String).join(".") ?? ""} is not right`);
  return parsed.data;
}
