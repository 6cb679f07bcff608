import type { Call } from "../../shared/cli/command.ts";
import { Fault } from "../../shared/core/fault.ts";
import type { TrustedRoot } from "../../shared/trust/root.ts";
import { getRoots } from "./hub-api.ts";
import { HubConnection } from "./hub-connection.ts";
import { Workstation, type FleetRoots, type HubContext } from "./workstation.ts";

/**
 * What a command needs to talk to its fleet: the context's hub, the session's token, and the root as far as this workstation can
 * follow it from its pin. A hub that offers a root that does not chain stops the command here.
 */
export interface Session {
  readonly hub: HubConnection;
  readonly root: TrustedRoot;
  readonly context: HubContext;
  readonly nowMs: number;
}

export interface SessionOptions {
  /** `held`: what is pinned here is enough, for commands that verify nothing. Default: ask the hub for newer roots first. */
  readonly roots?: "held" | "newest";
}

export async function openSession(call: Call, options: SessionOptions = {}): Promise<Session> {
  const workstation = new Workstation(call.world, call.globals.home);
  const context = workstation.context(call.globals.context);
  const roots = workstation.roots(context.fleetId);
  const nowMs = call.world.clock.wallMs();
  const saved = workstation.session(context.name);
  const again = loginCommand(call, context);
  if (saved === undefined) throw new Fault("unauthenticated", `Cannot talk to ${context.name}: you are not logged in`, { remedy: again });
  if (saved.hubUrl !== context.hubUrl)
    throw new Fault("unauthenticated", `Cannot use the session of ${context.name}: it is with another hub`, { remedy: again });
  if (saved.expiresAt <= nowMs) throw new Fault("unauthenticated", `Cannot talk to ${context.name}: your session has expired`, { remedy: again });
  const hub = connect(call, { url: context.hubUrl, pins: pinsOf(context, roots), token: saved.token });
  const newest = options.roots === "held" ? roots : workstation.extendRoots(context.fleetId, await getRoots(hub));
  return { hub, root: newest.newest, context, nowMs };
}

export function connect(
  call: Pick<Call, "world" | "globals" | "terminal">,
  to: { readonly url: string; readonly pins: readonly string[]; readonly token?: string | undefined },
): HubConnection {
  return new HubConnection(call.world, { url: to.url, pins: to.pins, token: to.token, timeoutMs: call.globals.timeoutMs, stop: call.terminal.interrupted });
}

/**
 * The pins that the root signs, once it has any: so a hub's key can be replaced, and an old one taken away, without touching a
 * workstation. Until then the operator's own, given at login.
 */
export function pinsOf(context: Pick<HubContext, "pins"> | undefined, roots: Pick<FleetRoots, "newest"> | undefined): readonly string[] {
  const signed = roots?.newest.payload.hub_pins ?? [];
  return signed.length > 0 ? signed : (context?.pins ?? []);
}

function loginCommand(call: Call, context: HubContext): string {
  return call.globals.context === undefined ? "felhom login" : `felhom login --context ${context.name}`;
}
