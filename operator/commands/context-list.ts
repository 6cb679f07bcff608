import { isoTime, until } from "../../shared/cli/age.ts";
import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { table, type Cell } from "../../shared/cli/table.ts";
import { Workstation } from "../edge/workstation.ts";

export const run: Run = (call) => {
  const workstation = new Workstation(call.world, call.globals.home);
  const { current, all } = workstation.contexts();
  const nowMs = call.world.clock.wallMs();
  const shown = all.map((context) => {
    const session = workstation.session(context.name);
    const { payload } = workstation.roots(context.fleetId).newest;
    return { context, fleetName: payload.fleet_name, session: session !== undefined && session.expiresAt > nowMs ? session : undefined };
  });
  present(call, {
    kind: "ContextList",
    data: {
      current: current ?? null,
      items: shown.map(({ context, fleetName, session }) => ({
        name: context.name,
        current: context.name === current,
        hub: context.hubUrl,
        pins: context.pins,
        fleetId: context.fleetId,
        fleetName,
        session: session === undefined ? null : { role: session.role, expiresAt: isoTime(session.expiresAt) },
      })),
    },
    human: () =>
      all.length === 0
        ? "  No hub is known yet."
        : table(
            [{ title: "" }, { title: "NAME" }, { title: "HUB", flex: true, least: 16 }, { title: "FLEET", flex: true }, { title: "SESSION" }],
            shown.map(({ context, fleetName, session }): readonly Cell[] => [
              context.name === current ? { text: "*", style: "accent" } : " ",
              context.name,
              context.hubUrl,
              `${fleetName} (${context.fleetId})`,
              session === undefined ? { text: "none", style: "quiet" } : `${session.role}, ends ${until(session.expiresAt, nowMs)}`,
            ]),
            call.terminal,
          ),
    next: all.length === 0 ? "felhom login --hub URL" : undefined,
  });
  return Promise.resolve(0);
};
