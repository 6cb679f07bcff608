import type { Run } from "../../shared/cli/command.ts";
import { hint, presentLine } from "../../shared/cli/present.ts";
import { isFault } from "../../shared/core/fault.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { optionList, optionText } from "../core/cli/option-values.ts";
import { LIMIT_MAX, readKinds, readSince } from "../core/fleet/event-query.ts";
import { eventData, eventLine } from "../core/fleet/event-text.ts";
import { eventHostId } from "../edge/event-host.ts";
import { followEvents } from "../edge/event-stream.ts";
import type { HubConnection } from "../edge/hub-connection.ts";
import { listEvents, takeSince } from "../edge/hub-api.ts";
import type { Opening } from "../edge/resumable-stream.ts";
import { openSession } from "../edge/session.ts";

/** One line per event until Ctrl-C; `--since` starts in the past. Breaks are mended and told on stderr. */
export const run: Run = async (call) => {
  const { hub, nowMs, root } = await openSession(call, { roots: "held" });
  const filter = { kind: readKinds(optionList(call, "kind")), host: await eventHostId(hub, optionText(call, "host")) };
  const query = { ...filter, since: await afterSeq(hub, filter, optionText(call, "since"), nowMs) };
  const onBreak = (error: unknown): void =>
    hint(call, `  The stream broke${isFault(error) ? `: ${escapeUntrusted(error.message)}` : ""}. Trying to open it again…`);
  const onOpen = (how: Opening, after: string | undefined): void => hint(call, OPENED[how](escapeUntrusted(after ?? "?")));
  for await (const event of followEvents(call.world, hub, { query, onBreak, onOpen })) {
    presentLine(call, { type: "event", data: eventData(event), human: () => eventLine(event, { terminal: call.terminal, root: root.payload }) });
  }
  return 0;
};

/** A number is an event's own; a time means the first event since then that the filter lets through. `undefined`: from now on. */
async function afterSeq(hub: HubConnection, filter: Parameters<typeof listEvents>[1], since: string | undefined, nowMs: number): Promise<string | undefined> {
  if (since === undefined || /^\d+$/.test(since)) return since;
  const first = (await takeSince(listEvents(hub, filter), readSince(since, nowMs), LIMIT_MAX)).at(-1);
  return first === undefined ? undefined : String(first.seq - 1);
}

const OPENED: Readonly<Record<Opening, (afterSeq: string) => string>> = {
  first: (afterSeq) => `  Following events after number ${afterSeq}. Ctrl-C ends it.`,
  whole: () => "  It is open again; nothing was missed.",
  gap: (afterSeq) => `  It is open again, after number ${afterSeq}: what happened in between may be missing here. See: felhom event list`,
};
