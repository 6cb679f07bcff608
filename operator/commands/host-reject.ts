import type { Run } from "../../shared/cli/command.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { Fault } from "../../shared/core/fault.ts";
import { argText } from "../core/cli/option-values.ts";
import { readPending } from "../core/fleet/pending-list.ts";
import { listEnrollments, rejectEnrollment, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** Turns a request down. The box may ask again with the same keys; nothing is signed. */
export const run: Run = async (call) => {
  const { hub } = await openSession(call, { roots: "held" });
  const asked = argText(call, "name");
  const found = readPending(await take(listEnrollments(hub))).filter(
    ({ item, read }) => item.request_id === asked || item.host_id === asked || (read.ok && read.value.statement.name === asked),
  );
  const [only] = found;
  if (only === undefined) throw new Fault("not_found", `Cannot find a box that asks to be ${asked}`, { remedy: "felhom host list --pending shows who waits." });
  if (found.length > 1)
    throw new Fault("conflict", `Cannot tell which box is meant: ${found.length} ask to be ${asked}`, {
      remedy: `By id: ${found.map(({ item }) => item.request_id).join(" or ")}.`,
    });
  const data = { requestId: only.item.request_id, id: only.item.host_id, dryRun: call.globals.dryRun };
  if (call.globals.dryRun) {
    present(call, { kind: "Rejection", data, human: () => `  Would reject request ${only.item.request_id}` });
    return 0;
  }
  await confirm(call, `Turn down ${escapeUntrusted(asked)} (request ${only.item.request_id})?`);
  await rejectEnrollment(hub, only.item.request_id, call.globals.reason);
  present(call, {
    kind: "Rejection",
    data,
    human: () => `  ${mark(call.terminal, "off", `request ${only.item.request_id} rejected`)}`,
    next: "felhom host list --pending",
  });
  return 0;
};
