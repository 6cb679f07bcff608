import * as z from "zod/mini";
import { described } from "./fields.ts";
import { refuseStep } from "./kind.ts";
import type { Kind, Refuse } from "./kind.ts";

const serviceName = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9@:_.\\-]{0,199}$/, { message: "is not a service name" }));

const schema = z.strictObject({
  name: described(serviceName, "The service; without a suffix it is a `.service` unit. Default: the entry's key."),
  ensure: z.optional(described(z.enum(["running", "stopped"]), "Whether it runs now. Unset: not managed.")),
  enabled: z.optional(described(z.boolean(), "Whether it starts at boot. Unset: not managed.")),
  onWatch: described(z._default(z.enum(["restart", "reload"]), "restart"), "What a running service does when something in `watch` was changed."),
});

export type ServiceParams = z.infer<typeof schema>;
export type ServiceObserved =
  | { readonly is: "missing" }
  | {
      readonly is: "present";
      readonly running: boolean;
      /** `static`: it cannot be enabled or disabled (also: generated, indirect). */
      readonly boot: "enabled" | "disabled" | "static" | "masked";
      /** Unit files on disk are newer than what the service manager has read. */
      readonly unitsChanged: boolean;
    };
export type ServiceStep =
  | {
      readonly do: "service.reload-units" | "service.enable" | "service.disable" | "service.start" | "service.stop" | "service.restart" | "service.reload";
      readonly reason: string;
      readonly name: string;
    }
  | Refuse;

function decide(wanted: ServiceParams, observed: ServiceObserved, triggered: boolean): readonly ServiceStep[] {
  const { name } = wanted;
  if (observed.is === "missing") {
    const isNeeded = wanted.ensure === "running" || wanted.enabled === true;
    return isNeeded ? [refuseStep(`there is no service ${name}`)] : [];
  }
  if (observed.boot === "masked" && (wanted.ensure === "running" || wanted.enabled === true)) return [refuseStep(`${name} is masked`)];
  const steps: ServiceStep[] = [];
  if (wanted.enabled === true && observed.boot === "disabled") steps.push({ do: "service.enable", reason: "it does not start at boot", name });
  if (wanted.enabled === false && observed.boot === "enabled") steps.push({ do: "service.disable", reason: "it starts at boot", name });
  if (wanted.ensure === "running" && !observed.running) steps.push({ do: "service.start", reason: "it is not running", name });
  else if (wanted.ensure === "stopped" && observed.running) steps.push({ do: "service.stop", reason: "it is running", name });
  else if (triggered && observed.running)
    steps.push({ do: wanted.onWatch === "reload" ? "service.reload" : "service.restart", reason: "what it watches was changed", name });
  return steps.length > 0 && observed.unitsChanged ? [{ do: "service.reload-units", reason: "unit files were changed", name }, ...steps] : steps;
}

export const service: Kind<typeof schema, ServiceParams, ServiceObserved, ServiceStep> = {
  type: "service",
  summary: "A service of systemd or sysvinit.",
  namedBy: "name",
  schema,
  example: "nginx:\n  service:\n    ensure: running\n    enabled: true\n    onWatch: reload\n  watch: [file//etc/nginx/nginx.conf]\n",
  decide,
};
