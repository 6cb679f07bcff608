import { resolve } from "node:path";
import type { ExitCode, Run } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { present } from "../../shared/cli/present.ts";
import { fromBase64, fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { World } from "../../shared/ports/world.ts";
import { ENVELOPE_BYTES_MAX } from "../../shared/trust/envelope.ts";
import { isPlain, parseJson, type Plain } from "../../shared/protocol/plain-json.ts";
import { boxPaths } from "../edge/box-paths.ts";
import { lookAtOp, offerOp } from "../edge/socket/socket-client.ts";
import { listArgument } from "./option.ts";

const LOOK_MS = 100;
const FINAL = ["done", "failed", "refused", "busy", "interrupted", "cancelled", "expired"];

interface Item {
  readonly file: string;
  readonly op: string | null;
  readonly state: string;
  readonly code: string | null;
  readonly detail: string | null;
  readonly exit: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Exit 0 when every op is done, 1 when one failed, 7 when one was refused, 6 when one still runs. */
export const run: Run = async (call) => {
  const { socketPath } = await boxPaths(call);
  const items: Item[] = [];
  for (const file of listArgument(call, "file")) {
    const bytes = call.world.files.read("op.import", resolve(call.cwd, file), { bytesMax: ENVELOPE_BYTES_MAX, follow: true });
    const offered = await offerOp(call.world, socketPath, bytes);
    const base = { file, op: offered.opId ?? null, code: offered.code ?? null, detail: offered.detail ?? null, exit: null, stdout: "", stderr: "" };
    const opId = offered.opId;
    if (opId === undefined || offered.is === "refused" || offered.is === "busy" || call.options["no-wait"] === true) items.push({ ...base, state: offered.is });
    else items.push({ ...base, ...(await outcome(call.world, socketPath, opId, call.globals.timeoutMs, call.terminal.interrupted)) });
    if (call.terminal.interrupted.aborted) return 130;
  }
  present(call, { kind: "OpImport", data: { items }, human: () => items.map(lineOf).join("\n") });
  return exitOf(items);
};

async function outcome(world: World, socketPath: string, id: string, timeoutMs: number, stop: AbortSignal): Promise<Omit<Item, "file" | "op">> {
  const endMs = world.clock.monoMs() + timeoutMs;
  for (;;) {
    const { state, answer } = await lookAtOp(world, socketPath, id);
    const isOver = state !== null && FINAL.includes(state);
    if (isOver || state === null || stop.aborted || world.clock.monoMs() > endMs) return said(state ?? "admitted", answer?.payload);
    await world.clock.sleep(LOOK_MS, stop);
  }
}

/** The box's own answer, read on the box itself: nothing here needs its signature checked. */
function said(state: string, payload: string | undefined): Omit<Item, "file" | "op"> {
  const bytes = payload === undefined ? undefined : fromBase64(payload);
  const value = bytes === undefined ? undefined : parseJson(fromUtf8(bytes));
  const answer: Plain = isPlain(value) ? value : {};
  const text = (name: string): string | null => (typeof answer[name] === "string" ? answer[name] : null);
  const output = (name: string): string => new TextDecoder().decode(fromBase64(text(name) ?? "") ?? new Uint8Array());
  return {
    state,
    code: text("code"),
    detail: text("detail"),
    exit: typeof answer["exit"] === "number" ? answer["exit"] : null,
    stdout: output("stdout"),
    stderr: output("stderr"),
  };
}

function lineOf({ file, op, state, code, detail, stdout, stderr }: Item): string {
  const why = [code, detail].filter((part) => part !== null).join(": ");
  const head = `${escapeUntrusted(op ?? file)}  ${state}${why === "" ? "" : `  ${escapeUntrusted(why)}`}`;
  const output = `${stdout}${stderr}`.trimEnd();
  return output === "" ? head : `${head}\n${output.split("\n").map(escapeUntrusted).join("\n")}`;
}

function exitOf(items: readonly Item[]): ExitCode {
  if (items.length === 0) throw new Fault("bad_request", "Cannot import: no file was named");
  const states = items.map(({ state }) => state);
  if (states.includes("refused")) return 7;
  if (states.some((state) => ["failed", "interrupted", "expired", "busy", "cancelled"].includes(state))) return 1;
  return states.every((state) => state === "done" || state === "known") ? 0 : 6;
}
