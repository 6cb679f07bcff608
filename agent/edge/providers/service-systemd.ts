import { Fault } from "../../../shared/core/fault.ts";
import { parseShow, unitName, type Unit } from "../../core/converge/systemd-show.ts";
import type { ServiceObserved } from "../../../shared/states/resources/service.ts";
import { observeEach } from "./observing.ts";
import { endOf, mustRun, run } from "./run.ts";
import type { ServiceProvider } from "./service.ts";

const START_TIMEOUT_MS = 180_000;
const VERBS = {
  "service.enable": "enable",
  "service.disable": "disable",
  "service.start": "start",
  "service.stop": "stop",
  "service.restart": "restart",
  "service.reload": "reload-or-restart",
} as const;

/** Services of a running systemd: one `systemctl show` for all of them. */
export function systemdProvider(because: string): ServiceProvider {
  return {
    type: "service",
    because,
    async observe(context, wanted) {
      const names = [...new Set(wanted.map(({ name }) => unitName(name)))];
      const done = await run(context.world, "service.show", [
        "systemctl",
        "show",
        "--property=Id,Names,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload",
        "--",
        ...names,
      ]);
      if (done.code !== 0) throw new Fault("exec_failed", `Cannot ask systemd: ${endOf(done)}`);
      const units = parseShow(done.stdout);
      return observeEach(wanted, ({ name }) => seen(name, units));
    },
    async apply(context, step) {
      if (step.do === "refuse") throw new Fault("conflict", `Cannot go on: ${step.reason}`);
      if (step.do === "service.reload-units") {
        await mustRun(context.world, step.do, ["systemctl", "daemon-reload"]);
        return;
      }
      await mustRun(context.world, step.do, ["systemctl", VERBS[step.do], "--", unitName(step.name)], { timeoutMs: START_TIMEOUT_MS });
    },
  };
}

function seen(name: string, units: readonly Unit[]): ServiceObserved {
  const unit = units.find((one) => one.names.includes(unitName(name)));
  // systemctl answers for every name it was asked, with LoadState=not-found: silence is a failure.
  if (unit === undefined) throw new Fault("exec_failed", `Cannot see ${name}: systemctl did not answer for it`);
  if (unit.loadState === "not-found") return { is: "missing" };
  if (unit.loadState !== "loaded" && unit.loadState !== "masked")
    throw new Fault("exec_failed", `Cannot use ${name}: systemd says its unit is ${unit.loadState}`);
  return { is: "present", running: unit.isRunning, boot: unit.boot, unitsChanged: unit.needsReload };
}
