import { simulate } from "./simulate.ts";

/**
 * Loading a module or compiling WebAssembly takes turns of the real event loop, once per process: a first run would differ from
 * all later ones. So everything is loaded before any run that counts, by a small run that doesn't, and by name where it might not come by.
 */
export async function warmUp(): Promise<void> {
  await Promise.all([
    import("../../agent/edge/ops/operations.ts"),
    import("../../agent/edge/ops/executors/ping.ts"),
    import("../../agent/edge/ops/executors/cmd-run.ts"),
    import("../../agent/edge/ops/executors/agent-recover-ledger.ts"),
  ]);
  await simulate({ seed: "warm-up", boxes: 2, hours: 0.5, faults: false, opsPerHour: 120 });
}
