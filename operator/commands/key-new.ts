import type { Run } from "../../shared/cli/command.ts";
import { isoTime } from "../../shared/cli/age.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { Fault } from "../../shared/core/fault.ts";
import { NAME } from "../../shared/core/ids.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { SEED_BYTES, signingKeyFromSeed } from "../../shared/trust/keys.ts";
import { rootPayload } from "../../shared/trust/payloads.ts";
import { signPayload } from "../../shared/trust/sign-payload.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { firstRoot } from "../core/trust/first-root.ts";
import { spellPublicKey } from "../core/trust/root-edit.ts";
import { addKey } from "../core/vault/edit-contents.ts";
import { askPassphrase } from "../edge/passphrase.ts";
import { editVault } from "../edge/vault.ts";
import { type FleetRoots, Workstation } from "../edge/workstation.ts";

/**
 * A new key in the vault. On a workstation that knows no fleet it is also the beginning of one: root version 1 with this key in
 * every role. `--no-fleet` is for an operator who joins a fleet that others have begun.
 */
export const run: Run = async (call) => {
  const { world, globals } = call;
  const name = argText(call, "name") || "operator";
  if (!NAME.test(name))
    throw new Fault("bad_request", `Cannot use the name ${name} for a key`, {
      remedy: "Lower-case letters, digits, dots, dashes and underscores, at most 63.",
    });
  const workstation = new Workstation(world, globals.home);
  const fleetName = optionText(call, "fleet");
  const beginsFleet = workstation.fleets().length === 0 && call.options["no-fleet"] !== true;
  if (fleetName !== undefined && !beginsFleet)
    throw new Fault("conflict", "Cannot begin another fleet here: this workstation already knows one", {
      remedy: "Use another --home for it, or leave out --fleet to make only a key.",
    });
  const nowMs = world.clock.wallMs();
  const key = signingKeyFromSeed(world.crypto.randomBytes(SEED_BYTES));
  // Made before anything is written: a bad fleet name must not leave a key behind.
  const root = beginsFleet ? firstRoot({ fleetName: fleetName ?? "fleet", key, label: name, fleetRandom: world.crypto.randomBytes(10), nowMs }) : undefined;
  if (globals.dryRun) {
    present(call, {
      kind: "Key",
      data: { name, dryRun: true, beginsFleet },
      human: () =>
        `  Would make the key ${name}${beginsFleet ? ` and the fleet ${fleetName ?? "fleet"} with it in every role` : ""}. Nothing was written: this was a dry run.`,
    });
    return 0;
  }
  if (beginsFleet && globals.input && call.terminal.inIsTty && fleetName === undefined)
    await confirm(call, "This workstation knows no fleet: begin a new one with this key? (--no-fleet makes only a key)");
  await editVault(world, globals.home, { passphrase: askPassphrase(call), edit: (contents) => addKey(contents, { name, seed: key.seed, nowMs }) });
  const fleet = root === undefined ? undefined : begin(workstation, signPayload("root", rootPayload, root, [key]));
  const data = {
    name,
    id: key.keyId,
    publicKey: spellPublicKey(key.publicKey),
    createdAt: isoTime(nowMs),
    fleet: fleet === undefined ? null : { id: fleet.fleetId, name: fleet.newest.payload.fleet_name, rootVersion: 1, rootHash: fleet.pin },
  };
  present(call, {
    kind: "Key",
    data,
    human: () =>
      [
        `  ${mark(call.terminal, "good", `key ${name} made`)}`,
        fields(
          [
            ["id", data.id],
            ["public", data.publicKey],
            ["vault", `${workstation.home}/vault`],
          ],
          call.terminal,
        ),
        ...(fleet === undefined
          ? []
          : [
              `  ${mark(call.terminal, "good", `fleet ${escapeUntrusted(fleet.newest.payload.fleet_name)} begun`)}: root version 1, this key in every role, threshold 1`,
              fields(
                [
                  ["fleet id", fleet.fleetId],
                  ["root hash", fleet.pin],
                ],
                call.terminal,
              ),
              `  ${mark(call.terminal, "warn", "keep a copy")} of ${workstation.home} in a safe place: whoever loses every root key loses the fleet`,
            ]),
      ].join("\n"),
    next:
      fleet === undefined
        ? `felhom trust add ${name} ${data.publicKey} --role ROLE   (run by an operator of the fleet)`
        : "felhom login --hub URL --setup-token-file FILE   (FILE is in the hub's data directory)",
  });
  return 0;
};

function begin(workstation: Workstation, envelope: ReturnType<typeof signPayload>): FleetRoots {
  return workstation.pinFleet([envelope], sha256Hex(Buffer.from(envelope.payload, "base64")));
}
