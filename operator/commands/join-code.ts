import type { Run } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { encodeJoinCode } from "../../shared/trust/join-code.ts";
import { optionText } from "../core/cli/option-values.ts";
import { trustOf } from "../core/trust/join-trust.ts";
import { tokenOf } from "../core/vault/edit-contents.ts";
import { pinsOf } from "../edge/session.ts";
import { unlocked } from "../edge/signers.ts";
import { Workstation } from "../edge/workstation.ts";

/** The one string a box needs, made here from what this workstation has verified; the hub has no part in it. */
export const run: Run = async (call) => {
  const workstation = new Workstation(call.world, call.globals.home);
  const fleet = workstation.fleet(call.globals.context);
  const found = workstation.contextIfAny(call.globals.context);
  const context = found?.fleetId === fleet.fleetId ? found : undefined;
  const pins = pinsOf(context, fleet);
  const grantId = optionText(call, "grant");
  const token = grantId === undefined ? undefined : tokenOf(await unlocked(call), fleet.fleetId, grantId);
  if (grantId !== undefined && token === undefined)
    throw new Fault("not_found", `Cannot find the token of grant ${grantId} in this vault`, {
      remedy: "Only the workstation that made a grant has its token: felhom grant create makes a new one.",
    });
  const code = encodeJoinCode({ ...trustOf(fleet), pins, ...(token === undefined ? {} : { token }) });
  if (pins.length === 0) hint(call, "  No hub key is pinned: boxes will check the hub's certificate with their system's authorities.");
  if (token !== undefined) hint(call, "  With a grant inside, whoever has this code can enroll a box: treat it as a secret.");
  present(call, {
    kind: "JoinCode",
    data: {
      code,
      fleetId: fleet.fleetId,
      fleetName: fleet.newest.payload.fleet_name,
      rootHash: fleet.pin,
      pins,
      grant: grantId ?? null,
      hub: context?.hubUrl ?? null,
    },
    human: () => code,
    next: `on the box: felhom enroll --master-urls ${escapeUntrusted(context?.hubUrl ?? "URL")} --join CODE`,
  });
  return 0;
};
