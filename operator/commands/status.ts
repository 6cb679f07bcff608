import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { fleetStatusData, fleetStatusText, problems } from "../core/fleet/fleet-status.ts";
import { getStatus } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** The fleet, from the hub. On a box `felhom status` is the agent's command of the same name. */
export const run: Run = async (call) => {
  const { hub, root, nowMs, context } = await openSession(call);
  const shown = { status: await getStatus(hub), root, url: hub.target.url, contextName: context.name, nowMs, terminal: call.terminal };
  const { hosts } = shown.status;
  present(call, {
    kind: "FleetStatus",
    data: fleetStatusData(shown),
    human: () => fleetStatusText(shown),
    next:
      hosts.pending > 0
        ? "felhom host list --pending"
        : hosts.total === 0
          ? "felhom join-code"
          : hosts.attention > 0
            ? "felhom host list --attention"
            : shown.status.bundle === 0
              ? "felhom publish DIR"
              : "felhom host list",
  });
  return problems(shown).length > 0 ? 7 : 0;
};
