import type { Run } from "../../shared/cli/command.ts";
import { hint, presentLine } from "../../shared/cli/present.ts";
import { isFault } from "../../shared/core/fault.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { optionList, optionText } from "../core/cli/option-values.ts";
import { readKinds } from "../core/fleet/event-query.ts";
import { eventData, eventLine } from "../core/fleet/event-text.ts";
import { eventHostId } from "../edge/event-host.ts";
import { followEvents } from "../edge/event-stream.ts";
import { openSession } from "../edge/session.ts";

/** One line per event until Ctrl-C; `--since SEQ` starts in the past. Breaks are mended and told on stderr. */
export const run: Run = async (call) => {
  const { hub } = await openSession(call, { roots: "held" });
  const query = { kind: readKinds(optionList(call, "kind")), host: await eventHostId(hub, optionText(call, "host")), since: optionText(call, "since") };
  hint(call, "  Following events. Ctrl-C ends it.");
  const onBreak = (error: unknown): void =>
    hint(call, `  The stream broke${isFault(error) ? `: ${escapeUntrusted(error.message)}` : ""}. Trying to open it again…`);
  const onBack = (): void => hint(call, "  It is open again; nothing was missed.");
  for await (const event of followEvents(call.world, hub, { query, onBreak, onBack })) {
    presentLine(call, { type: "event", data: eventData(event), human: () => eventLine(event, { terminal: call.terminal }) });
  }
  return 0;
};
