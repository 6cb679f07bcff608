import type { Run } from "../../shared/cli/command.ts";
import { ageOf, isoTime } from "../../shared/cli/age.ts";
import { present } from "../../shared/cli/present.ts";
import { table } from "../../shared/cli/table.ts";
import { ROLES } from "../../shared/trust/payloads.ts";
import { spellPublicKey } from "../core/trust/root-edit.ts";
import { keysOf } from "../core/vault/edit-contents.ts";
import { askPassphrase } from "../edge/passphrase.ts";
import { readVault } from "../edge/vault.ts";
import { Workstation } from "../edge/workstation.ts";

export const run: Run = async (call) => {
  const { world, globals, terminal } = call;
  const contents = await readVault(world, globals.home, askPassphrase(call));
  const workstation = new Workstation(world, globals.home);
  const fleets = workstation.fleets().map((id) => workstation.roots(id).newest.payload);
  const items = keysOf(contents).map(({ name, createdAt, key }) => ({
    name,
    id: key.keyId,
    publicKey: spellPublicKey(key.publicKey),
    createdAt: isoTime(createdAt),
    roles: fleets.flatMap((root) => ROLES.filter((role) => root.roles[role].keys.includes(key.keyId)).map((role) => ({ fleet: root.fleet_name, role }))),
  }));
  const made = new Map(keysOf(contents).map(({ name, createdAt }) => [name, createdAt]));
  const rolesText = (roles: (typeof items)[number]["roles"]): string =>
    fleets
      .flatMap(({ fleet_name }) => {
        const held = roles.filter(({ fleet }) => fleet === fleet_name).map(({ role }) => role);
        return held.length === 0 ? [] : [`${fleet_name}: ${held.length === ROLES.length ? "every role" : held.join(", ")}`];
      })
      .join("; ");
  const columns = [{ title: "NAME" }, { title: "ID" }, { title: "ROLES", flex: true }, { title: "AGE", align: "right" as const }];
  present(call, {
    kind: "KeyList",
    data: { items },
    human: () =>
      items.length === 0
        ? "  No keys."
        : table(
            columns,
            items.map((item) => [item.name, item.id, rolesText(item.roles) || "in no root", ageOf(made.get(item.name), world.clock.wallMs())]),
            terminal,
          ),
    next: items.length === 0 ? "felhom key new" : undefined,
  });
  return 0;
};
