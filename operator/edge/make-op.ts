import { parseDuration } from "../../shared/cli/age.ts";
import type { Call } from "../../shared/cli/command.ts";
import { base64, fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { HostId } from "../../shared/core/ids.ts";
import type { Pacing } from "../../shared/protocol/api/ops.ts";
import { opTraits, type OpKindName } from "../../shared/ops/catalogue.ts";
import { newOp } from "../../shared/ops/new-op.ts";
import type { OpClass } from "../../shared/ops/op-kind.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { type DraftedOp, readDraft } from "../../shared/trust/op.ts";
import { OP_LIFETIME_MS_MAX, type OpTarget } from "../../shared/trust/payloads.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { argList, optionList, optionText } from "../core/cli/option-values.ts";
import { readParams } from "../core/jobs/kind-params.ts";
import { readAny } from "./aim.ts";
import type { Session } from "./session.ts";

/** From the words of `felhom run` and `felhom op draft` to payload bytes; what is shown afterwards is read back from these bytes. */
const SCRIPT_BYTES_MAX = 256 * 1_024;
const STDIN_BYTES_MAX = 128 * 1_024;
const PARAM_BYTES_MAX = 768 * 1_024;
const EXPIRES_MS: Readonly<Record<OpClass, number>> = { read: 10 * 60_000, change: 3_600_000, destroy: 3_600_000 };

export async function paramsOf(call: Call, kind: OpKindName): Promise<Readonly<Record<string, unknown>>> {
  const given = await commandParams(call, kind);
  return readParams(kind, argList(call, "params"), given, (file) => readAny(call, file, PARAM_BYTES_MAX));
}

/** What `cmd.run` has flags and `--` for. */
async function commandParams(call: Call, kind: OpKindName): Promise<Readonly<Record<string, unknown>>> {
  const argv = argList(call, "argv");
  const [script, stdin, limit] = [optionText(call, "script"), optionText(call, "stdin"), optionText(call, "time-limit")];
  const env = optionList(call, "env");
  const flags = { script, stdin, user: optionText(call, "user"), cwd: optionText(call, "cwd"), "time-limit": limit, env: env[0], "--": argv[0] };
  const used = Object.entries(flags).find(([, value]) => value !== undefined)?.[0];
  if (kind !== "cmd.run") {
    if (used !== undefined)
      throw new Fault("bad_request", `Cannot use ${used.startsWith("-") ? used : `--${used}`} with ${kind}: it is for cmd.run`, {
        remedy: "Params of other kinds are KEY=VALUE.",
      });
    return {};
  }
  if (script === "-" && stdin === "-") throw new Fault("bad_request", "Cannot read both the script and its input from stdin");
  const timeoutMs = limit === undefined ? undefined : parseDuration(limit);
  if (limit !== undefined && (timeoutMs === undefined || timeoutMs < 1_000))
    throw new Fault("bad_request", `Cannot use the time limit ${limit}`, { remedy: "--time-limit takes a time such as 30s, 10m or 2h." });
  const text = script === undefined ? undefined : textOf(await readAny(call, script, SCRIPT_BYTES_MAX), script);
  return {
    ...(text === undefined ? (argv.length > 0 ? { argv } : {}) : { script: text, ...(argv.length > 0 ? { args: argv } : {}) }),
    ...(stdin === undefined ? {} : { stdin: base64(await readAny(call, stdin, STDIN_BYTES_MAX)) }),
    ...(flags.user === undefined ? {} : { user: flags.user }),
    ...(flags.cwd === undefined ? {} : { cwd: flags.cwd }),
    ...(env.length === 0 ? {} : { env: environmentOf(env) }),
    ...(timeoutMs === undefined ? {} : { timeout_s: Math.round(timeoutMs / 1_000) }),
  };
}

function environmentOf(flags: readonly string[]): Readonly<Record<string, string>> {
  const env: Record<string, string> = {};
  for (const flag of flags) {
    const at = flag.indexOf("=");
    const name = flag.slice(0, at);
    if (at <= 0 || name in env) throw new Fault("bad_request", `Cannot use --env ${flag}: ${at <= 0 ? "it is not NAME=VALUE" : `${name} is given twice`}`);
    env[name] = flag.slice(at + 1);
  }
  return env;
}

function textOf(bytes: Uint8Array, file: string): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new Fault("bad_request", `Cannot use the script ${file}: it is not UTF-8`, { cause });
  }
}

export interface OpParts {
  readonly kind: OpKindName;
  readonly target: OpTarget;
  readonly params: Readonly<Record<string, unknown>>;
  readonly reason?: string | undefined;
}

export function makeOp(call: Call, session: Session, { kind, target, params, reason = call.globals.reason }: OpParts): DraftedOp {
  const lifetimeMs = lifetimeOf(call, opTraits(kind)?.class ?? "change");
  const made = mustVerify(
    newOp({ fleetId: session.context.fleetId, kind, target, params, issuedAt: call.world.clock.wallMs(), lifetimeMs, reason }, call.world.crypto),
    `Cannot make this op`,
  );
  return mustVerify(readDraft(made.bytes, session.root), "Cannot make this op");
}

function lifetimeOf(call: Call, opClass: OpClass): number {
  const asked = optionText(call, "expires");
  const ms = asked === undefined ? EXPIRES_MS[opClass] : parseDuration(asked);
  if (ms === undefined || ms < 1_000 || ms > OP_LIFETIME_MS_MAX)
    throw new Fault("bad_request", `Cannot use --expires ${asked ?? ""}`, { remedy: "A time such as 10m, 6h or 7d, at most 30d." });
  return ms;
}

/** How the hub is asked to pace it; `undefined` when nothing was said. */
export function pacingOf(call: Call, hosts: readonly { readonly hostId: HostId; readonly name: string }[], seed: string): Pacing | undefined {
  const [batch, maxFail, pause] = [numberOption(call, "batch", 1), numberOption(call, "max-fail", 0), optionText(call, "pause")];
  const pauseMs = pause === undefined ? undefined : parseDuration(pause);
  if (pause !== undefined && (pauseMs === undefined || batch === undefined))
    throw new Fault("bad_request", `Cannot use --pause ${pause}`, { remedy: batch === undefined ? "It needs --batch N." : "A time such as 30s or 5m." });
  const named = hosts.map(({ hostId, name }) => ({ host_id: hostId, name }));
  const canaries = optionList(call, "canary").map((word) => chooseHost(named, word).host_id);
  const pacing = {
    ...(batch === undefined ? {} : { batch, seed }),
    ...(pauseMs === undefined ? {} : { pause_s: Math.round(pauseMs / 1_000) }),
    ...(maxFail === undefined ? {} : { max_fail: maxFail }),
    ...(canaries.length === 0 ? {} : { canaries }),
  };
  return Object.keys(pacing).length === 0 ? undefined : pacing;
}

function numberOption(call: Call, name: string, least: number): number | undefined {
  const text = optionText(call, name);
  if (text === undefined) return undefined;
  if (!/^\d{1,6}$/.test(text) || Number(text) < least) throw new Fault("bad_request", `Cannot use --${name} ${text}: a number of at least ${least} is wanted`);
  return Number(text);
}
