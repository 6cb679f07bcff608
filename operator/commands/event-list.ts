import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { optionList, optionText } from "../core/cli/option-values.ts";
import { EVENTS_SHOWN, LIMIT_MAX, readKinds, readLimit, readSince } from "../core/fleet/event-query.ts";
import { eventData, eventTable } from "../core/fleet/event-text.ts";
import { eventHostId } from "../edge/event-host.ts";
import { listEvents, takeSince } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** The newest, oldest of them first, so that the last line is the latest news. */
export const run: Run = async (call) => {
  const { hub, nowMs, root } = await openSession(call, { roots: "held" });
  const query = { kind: readKinds(optionList(call, "kind")), host: await eventHostId(hub, optionText(call, "host")) };
  const sinceMs = readSince(optionText(call, "since"), nowMs);
  const limit = readLimit(optionText(call, "limit"), sinceMs === undefined ? EVENTS_SHOWN : LIMIT_MAX);
  const events = (await takeSince(listEvents(hub, query), sinceMs, limit)).toReversed();
  present(call, {
    kind: "EventList",
    data: { items: events.map(eventData) },
    human: () => (events.length === 0 ? "  No event matches." : eventTable(events, { nowMs, terminal: call.terminal, root: root.payload, withHost: true })),
    next: "felhom event follow",
  });
  return 0;
};
