/**
 * Starts workers and believes only what parses. Two lanes: documents are verified and staged while a long converge run goes on,
 * but never two of the same kind at once. Memory and privileges of the work end with each child.
 */
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { LogEvent } from "../../../shared/core/log-event.ts";
import type { World } from "../../../shared/ports/world.ts";
import { isList, isPlain, isText, parseJson, type Plain } from "../../../shared/protocol/plain-json.ts";
import { WORKER_RESULT_BYTES_MAX } from "../../core/worker/limits.ts";
import type { WorkerRequest, WorkerResult } from "../../core/worker/messages.ts";

/** Verifying and staging are bounded by the disk; this only ends a worker that hangs. */
const DOCUMENTS_TIMEOUT_MS = 30 * 60_000;
/** Programs that providers run are looked up here; nothing else of the environment goes along. */
const ENV = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8", HOME: "/" } as const;
/**
 * A run under way is asked to end at the next resource when the agent stops, and gets this long: apt cut in half is worse than a
 * wait. Below the agent's own bound (main.ts), that below the watchdog's, that below the unit's TimeoutStopSec.
 */
const STOP_GRACE_MS = 80_000;
const STDERR_CHARS_MAX = 2_000;

export class WorkerClient {
  readonly #world: World;
  readonly #convergeTimeoutMs: number;
  #documents: Promise<unknown> = Promise.resolve();
  #converge: Promise<unknown> = Promise.resolve();

  constructor(world: World, convergeTimeoutMs: number) {
    this.#world = world;
    this.#convergeTimeoutMs = convergeTimeoutMs;
  }

  /** Throws a `Fault` when the worker failed or was ended; `op` of the result is then never another one than was asked for. */
  async ask<Op extends WorkerRequest["op"]>(
    request: Extract<WorkerRequest, { readonly op: Op }>,
    stop: AbortSignal,
  ): Promise<Extract<WorkerResult, { readonly op: Op }>> {
    const isConverge = request.op === "converge";
    // These only look: they wait for nobody.
    const onlyLooks = request.op === "plan" || request.op === "unseal";
    const before = isConverge ? this.#converge : onlyLooks ? Promise.resolve() : this.#documents;
    const mine = before.then(() => this.#run(request, isConverge ? this.#convergeTimeoutMs : DOCUMENTS_TIMEOUT_MS, stop));
    const settled = mine.then(
      () => undefined,
      () => undefined, // the caller of `mine` hears it; the lane only needs to know that it is free
    );
    if (isConverge) this.#converge = settled;
    else if (!onlyLooks) this.#documents = settled;
    const result = await mine;
    if (result.op === "failed") throw new Fault(isCode(result.code), `Cannot ${request.op}: ${result.because}`, { facts: { op: request.op } });
    if (!isAnswerTo(request.op, result)) throw new Fault("exec_failed", `Cannot ${request.op}: the worker answered ${result.op}`);
    return result;
  }

  #relayLog(stderr: Uint8Array): void {
    const log = this.#world.log.for("worker");
    for (const text of new TextDecoder().decode(stderr).split("\n").slice(0, RELAYED_LINES_MAX)) {
      const line = text.startsWith("{") ? parseJson(text) : undefined;
      if (!isPlain(line) || !isLevel(line["level"]) || !isText(line["event"], 64)) continue;
      // One binary on both sides: the name is one of ours, and a decoder is where a string becomes one.
      log.event(line["level"], line["event"] as LogEvent, logFacts(line));
    }
  }

  async #run(request: WorkerRequest, timeoutMs: number, stop: AbortSignal): Promise<WorkerResult> {
    if (stop.aborted) throw new Fault("unavailable", `Cannot ${request.op}: the agent is stopping`);
    const [exe, ...rest] = this.#world.self.exe;
    const cut = new AbortController();
    const begin = (): void => void this.#world.clock.sleep(STOP_GRACE_MS, cut.signal).then(() => cut.abort());
    stop.addEventListener("abort", begin);
    const finished = await this.#world.exec.run("worker.run", {
      argv: [exe, ...rest, "agent-worker"],
      stdin: utf8(JSON.stringify(request)),
      env: ENV,
      cwd: "/",
      timeoutMs,
      outputBytesMax: WORKER_RESULT_BYTES_MAX,
      asked: stop,
      stop: cut.signal,
    });
    stop.removeEventListener("abort", begin);
    cut.abort();
    this.#relayLog(finished.stderr);
    if (finished.code !== 0 || finished.truncated) {
      this.#world.log.event("error", "worker.failed", {
        op: request.op,
        code: finished.code,
        signal: finished.signal,
        timed_out: finished.timedOut,
        stderr: tail(finished.stderr),
      });
      throw new Fault(
        "exec_failed",
        `Cannot ${request.op}: the worker ${finished.timedOut ? `took longer than ${timeoutMs} ms` : `ended with ${finished.signal ?? `code ${finished.code}`}`}`,
      );
    }
    return parseResult(request.op, finished.stdout);
  }
}

/** A worker's log lines become ours: it has no other way to be heard. What is not a log line is part of a failure and shown with it. */
const RELAYED_LINES_MAX = 500;
const OWN_FIELDS = new Set(["at", "level", "component", "version", "event"]);

function isLevel(value: unknown): value is "info" | "warn" | "error" {
  return value === "info" || value === "warn" || value === "error";
}

function logFacts(line: Plain): Readonly<Record<string, string | number | boolean | null>> {
  const isFact = (entry: [string, unknown]): entry is [string, string | number | boolean | null] =>
    !OWN_FIELDS.has(entry[0]) && (entry[1] === null || ["string", "number", "boolean"].includes(typeof entry[1]));
  return Object.fromEntries(Object.entries(line).filter(isFact));
}

/** Whole JSON of the form that was agreed: a worker that was killed leaves half a text, and one that fails says so. */
function parseResult(op: string, bytes: Uint8Array): WorkerResult {
  const value = parseJson(decodeText(bytes));
  if (!isResult(value)) throw new Fault("exec_failed", `Cannot ${op}: the worker's answer is not of the expected form`);
  return value;
}

function decodeText(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    return "";
  }
}

function isResult(value: unknown): value is WorkerResult {
  if (!isPlain(value)) return false;
  if (value["op"] === "failed") return isText(value["code"], 64) && isText(value["because"], 4_096);
  if (value["op"] === "unseal")
    return isText(value["jwt"], 16_384) && isText(value["seed"], 128) && (value["ca"] === undefined || isText(value["ca"], 262_144));
  const { held } = value;
  return isText(value["op"], 16) && isPlain(held) && isText(held["source"], 16) && isList(held["missing"], Number.MAX_SAFE_INTEGER, isPlain);
}

function isAnswerTo<Op extends WorkerRequest["op"]>(op: Op, result: WorkerResult): result is Extract<WorkerResult, { readonly op: Op }> {
  return result.op === op;
}

/** Codes that the resident acts on keep their name; the rest is one kind of failure here. */
function isCode(code: string): "disk_full" | "disk_failed" | "db_damaged" | "not_found" | "file_unsafe" | "exec_failed" {
  switch (code) {
    case "disk_full":
    case "disk_failed":
    case "db_damaged":
    case "not_found":
    case "file_unsafe":
      return code;
    default:
      return "exec_failed";
  }
}

function tail(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).slice(-STDERR_CHARS_MAX);
}
