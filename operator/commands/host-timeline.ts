import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { eventData, eventTable } from "../core/fleet/event-text.ts";
import { readLimit } from "../core/fleet/event-query.ts";
import { listHosts, listTimeline, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

export const run: Run = async (call) => {
  const { hub, nowMs, root } = await openSession(call, { roots: "held" });
  const host = chooseHost(await take(listHosts(hub)), argText(call, "host"));
  const events = (await take(listTimeline(hub, host.host_id), readLimit(optionText(call, "limit")))).toReversed();
  present(call, {
    kind: "EventList",
    data: { host: host.name, hostId: host.host_id, items: events.map(eventData) },
    human: () =>
      events.length === 0 ? "  Nothing has happened yet." : eventTable(events, { nowMs, terminal: call.terminal, root: root.payload, withHost: false }),
    next: `felhom event follow --host ${host.name}`,
  });
  return 0;
};
