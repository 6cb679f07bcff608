import type { Run } from "../../shared/cli/command.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { argText } from "../core/cli/option-values.ts";
import { listGrants, revokeGrant, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

const LIST_MAX = 10_000;

/** Stops further enrollments with this grant. Boxes that it let in stay: `host revoke` is for those. */
export const run: Run = async (call) => {
  const { hub } = await openSession(call);
  const id = argText(call, "grant");
  const found = (await take(listGrants(hub), LIST_MAX)).find((item) => item.grant_id === id);
  if (found === undefined) throw new Fault("not_found", `Cannot find the grant ${id}`, { remedy: "felhom grant list shows every one." });
  const data = { id, revoked: true, used: found.used, dryRun: call.globals.dryRun };
  if (call.globals.dryRun) {
    present(call, {
      kind: "Grant",
      data: { ...data, revoked: found.revoked },
      human: () => `  Would revoke ${id}, used ${found.used} times. Nothing was changed: this was a dry run.`,
    });
    return 0;
  }
  if (!found.revoked) {
    await confirm(call, `Revoke the grant ${id}? It was used ${found.used} times; those boxes stay.`);
    await revokeGrant(hub, id);
  }
  present(call, {
    kind: "Grant",
    data,
    human: () => `  ${mark(call.terminal, "off", found.revoked ? `${id} was revoked already` : `${id} revoked`)}`,
    next: found.used > 0 ? "felhom host list, for the boxes that it let in" : undefined,
  });
  return 0;
};
