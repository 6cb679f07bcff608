import { count, isoTime } from "../../shared/cli/age.ts";
import type { Run } from "../../shared/cli/command.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { restoreBackup } from "../edge/backup/restore-backup.ts";
import { absolute, hubDataDir, textArgument } from "./place.ts";

/** Into an empty directory only, so there is nothing to lose and nothing to confirm. */
export const run: Run = async (call) => {
  const dataDir = await hubDataDir(call);
  const from = absolute(call, textArgument(call, "from"));
  const { dryRun } = call.globals;
  const { manifest, epoch, tokens } = await restoreBackup(call.world, { from, dataDir, dryRun });
  present(call, {
    kind: "HubRestore",
    data: {
      from,
      dataDir,
      dryRun,
      madeAt: isoTime(manifest.created_at),
      fleetId: manifest.fleet_id,
      fleet: manifest.fleet_name,
      hosts: manifest.hosts,
      bundle: manifest.bundle,
      epochBefore: manifest.hub_epoch,
      ...(dryRun ? {} : { epoch }),
      tokens,
    },
    human: () =>
      fields(
        [
          [dryRun ? "would restore" : "restored", dataDir],
          ["from", `${from}, made ${isoTime(manifest.created_at)}`],
          ["fleet", manifest.fleet_name === null ? "none yet" : `${manifest.fleet_name} (${manifest.fleet_id ?? ""}), root ${manifest.root_version}`],
          ["holds", `${count(manifest.hosts, "host")}, bundle ${manifest.bundle}`],
          ["epoch", dryRun ? `${manifest.hub_epoch}, to be raised` : `${manifest.hub_epoch} → ${epoch}: boxes will offer what is newer than this backup`],
        ],
        call.terminal,
      ),
    next: dryRun ? `felhom hub restore ${from} --data-dir ${dataDir}` : `felhom hub --data-dir ${dataDir}`,
  });
  if (!dryRun)
    hint(
      call,
      `  What was revoked after the backup is not revoked here: look at hosts, grants and the ${count(tokens, "API token")}, and revoke again. All sessions are over.`,
    );
  return 0;
};
