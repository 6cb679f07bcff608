import { Fault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { ServiceObserved } from "../../../shared/states/resources/service.ts";
import { listNames } from "../facts/collector.ts";
import { observeEachAsync } from "./observing.ts";
import { endOf, mustRun, run } from "./run.ts";
import type { ServiceProvider } from "./service.ts";

const START_TIMEOUT_MS = 180_000;
const RUNLEVELS = ["2", "3", "4", "5"];

/** Scripts of /etc/init.d. Their `status` action answers 0 or 3 (LSB 5.0, init script actions); boot order is update-rc.d's. */
export function sysvinitProvider(because: string): ServiceProvider {
  return {
    type: "service",
    because,
    observe: (context, wanted) => observeEachAsync(wanted, ({ name }) => look(context.world, name)),
    async apply(context, step) {
      const { world } = context;
      switch (step.do) {
        case "refuse":
          throw new Fault("conflict", `Cannot go on: ${step.reason}`);
        case "service.reload-units":
          return;
        case "service.enable":
          await mustRun(world, step.do, ["update-rc.d", step.name, "defaults"]);
          await mustRun(world, step.do, ["update-rc.d", step.name, "enable"]);
          return;
        case "service.disable":
          await mustRun(world, step.do, ["update-rc.d", step.name, "disable"]);
          return;
        default:
          await mustRun(world, step.do, [script(step.name), step.do.slice("service.".length)], { timeoutMs: START_TIMEOUT_MS });
      }
    },
  };
}

const script = (name: string): string => `/etc/init.d/${name}`;

async function look(world: World, name: string): Promise<ServiceObserved> {
  if (name.includes("/") || world.files.stat("service.script", script(name), { follow: true })?.kind !== "file") return { is: "missing" };
  const done = await run(world, "service.status", [script(name), "status"]);
  // 0: runs; 1 and 2: dead, a pid or lock file is left; 3: does not run. 4 and above: it does not know, so we don't either.
  if (done.timedOut || done.code === null || done.code > 3) throw new Fault("exec_failed", `Cannot see whether ${name} runs: ${endOf(done)}`);
  const isLinked = RUNLEVELS.some((level) => listNames(world, `/etc/rc${level}.d`).some((link) => /^S\d\d/.test(link) && link.slice(3) === name));
  return { is: "present", running: done.code === 0, boot: isLinked ? "enabled" : "disabled", unitsChanged: false };
}
