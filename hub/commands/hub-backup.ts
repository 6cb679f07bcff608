import type { Run } from "../../shared/cli/command.ts";
import { byteSize, count, isoTime } from "../../shared/cli/age.ts";
import { hint, present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { writeBackup } from "../edge/backup/write-backup.ts";
import { absolute, existingDataDir, textArgument } from "./place.ts";

/** Safe beside a running hub: it only reads, and its copy has every answer that the hub gave before it began. */
export const run: Run = async (call) => {
  const dataDir = await existingDataDir(call);
  const to = absolute(call, textArgument(call, "to"));
  if (call.globals.dryRun) {
    present(call, { kind: "HubBackup", data: { dataDir, to, dryRun: true }, human: () => `  Would back up ${dataDir} to ${to}.` });
    return 0;
  }
  const manifest = await writeBackup(call.world, { dataDir, to });
  const bytes = manifest.files.reduce((sum, file) => sum + file.size, 0);
  const blobs = manifest.files.filter(({ path }) => path.startsWith("blobs/")).length;
  const hasKey = manifest.files.some(({ path }) => path === "tls/key.pem");
  present(call, {
    kind: "HubBackup",
    data: {
      to,
      dataDir,
      createdAt: isoTime(manifest.created_at),
      fleetId: manifest.fleet_id,
      fleet: manifest.fleet_name,
      hosts: manifest.hosts,
      bundle: manifest.bundle,
      rootVersion: manifest.root_version,
      schema: manifest.schema,
      hubEpoch: manifest.hub_epoch,
      auditHead: manifest.audit,
      blobs,
      bytes,
      verified: true,
    },
    human: () =>
      fields(
        [
          ["backup", to],
          ["fleet", manifest.fleet_name === null ? "none yet" : `${manifest.fleet_name} (${manifest.fleet_id ?? ""}), root ${manifest.root_version}`],
          ["holds", `${count(manifest.hosts, "host")}, bundle ${manifest.bundle}, ${count(blobs, "blob")}, ${byteSize(bytes)}`],
          ["audit head", `${manifest.audit.seq} ${manifest.audit.hash.slice(0, 16)}`],
          ["verified", "database, audit chain, root chain and every blob"],
        ],
        call.terminal,
      ),
    next: `felhom hub restore ${to} --dry-run`,
  });
  hint(
    call,
    hasKey
      ? "  It holds the hub's TLS key and hashed credentials, and no operator key: keep it as you keep the hub."
      : "  It holds hashed credentials and no operator key. The TLS key is not in the data directory: keep that apart.",
  );
  return 0;
};
