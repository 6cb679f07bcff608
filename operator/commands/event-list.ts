import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { optionList, optionText } from "../core/cli/option-values.ts";
import { readKinds, readLimit } from "../core/fleet/event-query.ts";
import { eventData, eventTable } from "../core/fleet/event-text.ts";
import { eventHostId } from "../edge/event-host.ts";
import { listEvents, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** The newest, oldest of them first, so that the last line is the latest news. */
export const run: Run = async (call) => {
  const { hub, nowMs } = await openSession(call, { roots: "held" });
  const query = { kind: readKinds(optionList(call, "kind")), host: await eventHostId(hub, optionText(call, "host")) };
  const events = (await take(listEvents(hub, query), readLimit(optionText(call, "limit")))).toReversed();
  present(call, {
    kind: "EventList",
    data: { items: events.map(eventData) },
    human: () => (events.length === 0 ? "  No event matches." : eventTable(events, { nowMs, terminal: call.terminal, withHost: true })),
    next: "felhom event follow",
  });
  return 0;
};
