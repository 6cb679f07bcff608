import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { table } from "../../shared/cli/table.ts";
import { secretsOf } from "../core/vault/edit-contents.ts";
import { unlocked } from "../edge/signers.ts";
import { Workstation } from "../edge/workstation.ts";

/** Names and lengths; never a value. */
export const run: Run = async (call) => {
  const { fleetId, newest } = new Workstation(call.world, call.globals.home).fleet(call.globals.context);
  const secrets = secretsOf(await unlocked(call), fleetId);
  const items = Object.entries(secrets)
    .map(([name, value]) => ({ name, characters: value.length }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  present(call, {
    kind: "SecretList",
    data: { fleetId, fleetName: newest.payload.fleet_name, items },
    human: () =>
      items.length === 0
        ? "  No secrets."
        : table(
            [{ title: "SECRET" }, { title: "CHARACTERS", align: "right" }],
            items.map(({ name, characters }) => [name, characters]),
            call.terminal,
          ),
    next: items.length === 0 ? "felhom secret set NAME" : undefined,
  });
  return 0;
};
