import type { CheckedOp, OpKindName } from "../../../shared/ops/catalogue.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Desk } from "../desk.ts";
import { pong } from "./executors/ping.ts";
import { type Executor, failed, type Outcome, type OpWork } from "./executor.ts";

/** One file per kind, loaded when the first op of that kind runs: an agent that only answers pings shall not hold apt's parser. */
export type Executors = { readonly [K in OpKindName]: () => Promise<Executor<K>> };

export function executors(): Executors {
  return {
    ping: once(async () => (await import("./executors/ping.ts")).ping),
    "facts.get": once(async () => (await import("./executors/facts-get.ts")).factsGet),
    "plan.show": once(async () => (await import("./executors/plan-show.ts")).planShow),
    "logs.tail": once(async () => (await import("./executors/logs-tail.ts")).logsTail),
    "cmd.run": once(async () => (await import("./executors/cmd-run.ts")).cmdRun),
    "file.get": once(async () => (await import("./executors/file-get.ts")).fileGet),
    "file.put": once(async () => (await import("./executors/file-put.ts")).filePut),
    "converge.now": once(async () => (await import("./executors/converge-now.ts")).convergeNow),
    "converge.pause": once(async () => (await import("./executors/converge-pause.ts")).convergePause),
    "service.restart": once(async () => (await import("./executors/service.ts")).serviceRestart),
    "service.stop": once(async () => (await import("./executors/service.ts")).serviceStop),
    "service.start": once(async () => (await import("./executors/service.ts")).serviceStart),
    "package.upgrade": once(async () => (await import("./executors/package-upgrade.ts")).packageUpgrade),
    "host.reboot": once(async () => (await import("./executors/host-power.ts")).hostReboot),
    "host.shutdown": once(async () => (await import("./executors/host-power.ts")).hostShutdown),
    "host.rekey": once(async () => (await import("./executors/host-rekey.ts")).hostRekey),
    "spec.apply": once(async () => (await import("./executors/spec-apply.ts")).specApply),
    "guest.start": () => Promise.resolve(noGuests),
    "guest.stop": () => Promise.resolve(noGuests),
    "guest.restart": () => Promise.resolve(noGuests),
    "guest.destroy": () => Promise.resolve(noGuests),
    "trust.accept-root": once(async () => (await import("./executors/trust-accept-root.ts")).trustAcceptRoot),
    "agent.forget": once(async () => (await import("./executors/agent-forget.ts")).agentForget),
    "agent.recover-ledger": once(async () => (await import("./executors/agent-recover-ledger.ts")).agentRecoverLedger),
  };
}

/** The loader costs half a millisecond each time it is asked (measured); what failed to load is tried again. */
function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined;
  return () => {
    loaded ??= load().catch((error: unknown) => {
      loaded = undefined;
      throw error;
    });
    return loaded;
  };
}

/** What a kind answers that asks for nothing but what this process knows of itself: nothing is started for it, and nothing could be done twice. */
export function knownAnswer({ kind }: CheckedOp, world: World, desk: Desk): Outcome | undefined {
  return kind === "ping" ? pong(world, desk) : undefined;
}

/** Admission refuses these first; this stands behind it. */
const noGuests = (): Promise<Outcome> => Promise.resolve(failed("op_precondition", NO_GUEST_DRIVER));
export const NO_GUEST_DRIVER = "no guest driver on this host";

export async function execute<K extends OpKindName>(all: Executors, { kind, params }: CheckedOp<K>, work: OpWork): Promise<Outcome> {
  const executor = await all[kind]();
  return executor(params, work);
}
