import type { Run } from "../../shared/cli/command.ts";
import { hint, presentLine } from "../../shared/cli/present.ts";
import { isFault } from "../../shared/core/fault.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { optionList, optionText } from "../core/cli/option-values.ts";
import { readKinds } from "../core/fleet/event-query.ts";
import { eventData, eventLine } from "../core/fleet/event-text.ts";
import { eventHostId } from "../edge/event-host.ts";
import { followEvents } from "../edge/event-stream.ts";
import type { Opening } from "../edge/resumable-stream.ts";
import { openSession } from "../edge/session.ts";

/** One line per event until Ctrl-C; `--since SEQ` starts in the past. Breaks are mended and told on stderr. */
export const run: Run = async (call) => {
  const { hub } = await openSession(call, { roots: "held" });
  const query = { kind: readKinds(optionList(call, "kind")), host: await eventHostId(hub, optionText(call, "host")), since: optionText(call, "since") };
  const onBreak = (error: unknown): void =>
    hint(call, `  The stream broke${isFault(error) ? `: ${escapeUntrusted(error.message)}` : ""}. Trying to open it again…`);
  const onOpen = (how: Opening, afterSeq: string | undefined): void => hint(call, OPENED[how](escapeUntrusted(afterSeq ?? "?")));
  for await (const event of followEvents(call.world, hub, { query, onBreak, onOpen })) {
    presentLine(call, { type: "event", data: eventData(event), human: () => eventLine(event, { terminal: call.terminal }) });
  }
  return 0;
};

const OPENED: Readonly<Record<Opening, (afterSeq: string) => string>> = {
  first: (afterSeq) => `  Following events after number ${afterSeq}. Ctrl-C ends it.`,
  whole: () => "  It is open again; nothing was missed.",
  gap: (afterSeq) => `  It is open again, after number ${afterSeq}: what happened in between may be missing here. See: felhom event list`,
};
