import type { CheckedOp, OpKindName } from "../../../shared/ops/catalogue.ts";
import { type Executor, failed, type Outcome, type OpWork } from "./executor.ts";

/** One file per kind, loaded when the first op of that kind runs: an agent that only answers pings shall not hold apt's parser. */
const EXECUTORS: { readonly [K in OpKindName]: () => Promise<Executor<K>> } = {
  ping: async () => (await import("./executors/ping.ts")).ping,
  "facts.get": async () => (await import("./executors/facts-get.ts")).factsGet,
  "plan.show": async () => (await import("./executors/plan-show.ts")).planShow,
  "logs.tail": async () => (await import("./executors/logs-tail.ts")).logsTail,
  "cmd.run": async () => (await import("./executors/cmd-run.ts")).cmdRun,
  "file.get": async () => (await import("./executors/file-get.ts")).fileGet,
  "file.put": async () => (await import("./executors/file-put.ts")).filePut,
  "converge.now": async () => (await import("./executors/converge-now.ts")).convergeNow,
  "converge.pause": async () => (await import("./executors/converge-pause.ts")).convergePause,
  "service.restart": async () => (await import("./executors/service.ts")).serviceRestart,
  "service.stop": async () => (await import("./executors/service.ts")).serviceStop,
  "service.start": async () => (await import("./executors/service.ts")).serviceStart,
  "package.upgrade": async () => (await import("./executors/package-upgrade.ts")).packageUpgrade,
  "host.reboot": async () => (await import("./executors/host-power.ts")).hostReboot,
  "host.shutdown": async () => (await import("./executors/host-power.ts")).hostShutdown,
  "host.rekey": async () => (await import("./executors/host-rekey.ts")).hostRekey,
  "spec.apply": async () => (await import("./executors/spec-apply.ts")).specApply,
  "guest.start": () => Promise.resolve(noGuests),
  "guest.stop": () => Promise.resolve(noGuests),
  "guest.restart": () => Promise.resolve(noGuests),
  "guest.destroy": () => Promise.resolve(noGuests),
  "trust.accept-root": async () => (await import("./executors/trust-accept-root.ts")).trustAcceptRoot,
  "agent.forget": async () => (await import("./executors/agent-forget.ts")).agentForget,
  "agent.recover-ledger": async () => (await import("./executors/agent-recover-ledger.ts")).agentRecoverLedger,
};

/** Admission refuses these first; this stands behind it. */
const noGuests = (): Promise<Outcome> => Promise.resolve(failed("op_precondition", NO_GUEST_DRIVER));
export const NO_GUEST_DRIVER = "no guest driver on this host";

export async function execute<K extends OpKindName>({ kind, params }: CheckedOp<K>, work: OpWork): Promise<Outcome> {
  const executor = await EXECUTORS[kind]();
  return executor(params, work);
}
