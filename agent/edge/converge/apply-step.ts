import { unreachable } from "../../../shared/core/assert.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { Step } from "../../../shared/states/resources/registry.ts";
import type { ProviderContext } from "../providers/provider.ts";
import type { Providers } from "./providers.ts";

/** Hands a step to the provider of its type. Listed one by one: a new kind of step does not compile until somebody serves it. */
export async function applyStep(context: ProviderContext, providers: Providers, step: Step): Promise<void> {
  switch (step.do) {
    case "refuse":
      throw new Fault("conflict", `Cannot go on: ${step.reason}`);
    case "file.write":
    case "file.attributes":
    case "file.remove":
      return served(providers.file).apply(context, step);
    case "directory.make":
    case "directory.attributes":
    case "directory.purge":
    case "directory.remove":
      return served(providers.directory).apply(context, step);
    case "symlink.make":
    case "symlink.remove":
      return served(providers.symlink).apply(context, step);
    case "line.edit":
      return served(providers.line).apply(context, step);
    case "command.run":
      return served(providers.command).apply(context, step);
    case "package.install":
    case "package.remove":
      return served(providers.package).apply(context, step);
    case "service.reload-units":
    case "service.enable":
    case "service.disable":
    case "service.start":
    case "service.stop":
    case "service.restart":
    case "service.reload":
      return served(providers.service).apply(context, step);
    case "user.add":
    case "user.modify":
    case "user.remove":
      return served(providers.user).apply(context, step);
    case "group.add":
    case "group.modify":
    case "group.remove":
      return served(providers.group).apply(context, step);
    case "cron.write":
    case "cron.remove":
      return served(providers.cron).apply(context, step);
    default:
      return unreachable(step);
  }
}

function served<P>(chosen: { readonly provider: P } | { readonly provider: undefined; readonly because: string }): P {
  if (chosen.provider === undefined) throw new Fault("unavailable", "Cannot carry out a step: this box has no provider for its type");
  return chosen.provider;
}
