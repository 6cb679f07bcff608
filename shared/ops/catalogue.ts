import * as z from "zod/mini";
import { issuesOf } from "../states/schema-issues.ts";
import { accept, refuse, type Verdict } from "../trust/verdict.ts";
import { agentForget } from "./kinds/agent-forget.ts";
import { agentRecoverLedger } from "./kinds/agent-recover-ledger.ts";
import { cmdRun } from "./kinds/cmd-run.ts";
import { convergeNow } from "./kinds/converge-now.ts";
import { convergePause } from "./kinds/converge-pause.ts";
import { factsGet } from "./kinds/facts-get.ts";
import { fileGet } from "./kinds/file-get.ts";
import { filePut } from "./kinds/file-put.ts";
import { guestDestroy } from "./kinds/guest-destroy.ts";
import { guestRestart } from "./kinds/guest-restart.ts";
import { guestStart } from "./kinds/guest-start.ts";
import { guestStop } from "./kinds/guest-stop.ts";
import { hostReboot } from "./kinds/host-reboot.ts";
import { hostRekey } from "./kinds/host-rekey.ts";
import { hostShutdown } from "./kinds/host-shutdown.ts";
import { logsTail } from "./kinds/logs-tail.ts";
import { packageUpgrade } from "./kinds/package-upgrade.ts";
import { ping } from "./kinds/ping.ts";
import { planShow } from "./kinds/plan-show.ts";
import { serviceRestart } from "./kinds/service-restart.ts";
import { serviceStart } from "./kinds/service-start.ts";
import { serviceStop } from "./kinds/service-stop.ts";
import { specApply } from "./kinds/spec-apply.ts";
import { trustAcceptRoot } from "./kinds/trust-accept-root.ts";
import type { OpKind } from "./op-kind.ts";

/**
 * Every kind of op: one line each. Signing, admission, the executors' table (`satisfies`, so a kind without one does not compile)
 * and the reference page follow from it.
 */
const kinds = {
  ping,
  "facts.get": factsGet,
  "plan.show": planShow,
  "logs.tail": logsTail,
  "cmd.run": cmdRun,
  "file.get": fileGet,
  "file.put": filePut,
  "converge.now": convergeNow,
  "converge.pause": convergePause,
  "service.restart": serviceRestart,
  "service.stop": serviceStop,
  "service.start": serviceStart,
  "package.upgrade": packageUpgrade,
  "host.reboot": hostReboot,
  "host.shutdown": hostShutdown,
  "host.rekey": hostRekey,
  "spec.apply": specApply,
  "guest.start": guestStart,
  "guest.stop": guestStop,
  "guest.restart": guestRestart,
  "guest.destroy": guestDestroy,
  "trust.accept-root": trustAcceptRoot,
  "agent.forget": agentForget,
  "agent.recover-ledger": agentRecoverLedger,
};

type Kinds = typeof kinds;
export type OpKindName = keyof Kinds;
/** What an executor gets, by kind: the schema's output, defaults filled in. */
export type OpParams = { readonly [K in OpKindName]: Kinds[K] extends OpKind<infer Params> ? Params : never };

export const OP_KINDS: { readonly [K in OpKindName]: OpKind<OpParams[K]> } = kinds;
export const isOpKind = (text: string): text is OpKindName => Object.hasOwn(kinds, text);
export const OP_KIND_NAMES: readonly OpKindName[] = Object.keys(kinds).filter(isOpKind);

/** Kind and params together, checked: switch on `kind` and `params` has its type. */
export type CheckedOp<K extends OpKindName = OpKindName> = { readonly [P in K]: { readonly kind: P; readonly params: OpParams[P] } }[K];

/** What every caller may know of a kind without its params. */
export type OpTraits = Pick<OpKind<never>, "kind" | "class" | "summary" | "aims" | "offline" | "exclusive" | "idempotent" | "unsignedByDefault" | "example">;

export function opTraits(kind: string): OpTraits | undefined {
  return isOpKind(kind) ? OP_KINDS[kind] : undefined;
}

/** The step "kind known, params valid". `op_kind_unknown`, or `op_params` with the place that does not fit. */
export function checkOp(kind: string, params: Readonly<Record<string, unknown>>): Verdict<CheckedOp> {
  return isOpKind(kind) ? checkParams(kind, params) : refuse("op_kind_unknown", kind);
}

function checkParams<K extends OpKindName>(kind: K, params: Readonly<Record<string, unknown>>): Verdict<CheckedOp> {
  const parsed = z.safeParse(OP_KINDS[kind].schema, params);
  // The compiler does not see that a key and what is looked up by it belong together.
  return parsed.success ? accept({ kind, params: parsed.data } as CheckedOp) : refuse("op_params", complaint(parsed.error, params));
}

/** The first thing that does not fit, where it is; of several forms the one that fits best is asked. */
function complaint(error: z.core.$ZodError, params: unknown): string {
  const [first] = error.issues;
  const forms = first?.code === "invalid_union" && first.path.length === 0 ? first.errors : [];
  const [closest] = forms.toSorted((a, b) => weight(a) - weight(b));
  const [issue] = issuesOf({ issues: closest ?? error.issues }, params);
  return issue === undefined ? "" : `${issue.path.map(String).join(".").slice(0, 200) || "params"}: ${issue.message.slice(0, 200)}`;
}

/** A parameter that the form does not have speaks against it more than one that is wrong in it. */
const weight = (issues: readonly z.core.$ZodIssue[]): number => issues.reduce((sum, { code }) => sum + (code === "unrecognized_keys" ? 10 : 1), 0);

/** What the signer reads: one string per line. Untrusted: escape before printing. */
export function describeOp<K extends OpKindName>(op: CheckedOp<K>): readonly string[] {
  return OP_KINDS[op.kind].describe(op.params);
}

export function timeoutMsOf<K extends OpKindName>(op: CheckedOp<K>): number {
  return OP_KINDS[op.kind].timeoutMs(op.params);
}
