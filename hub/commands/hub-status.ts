import { ago, byteSize, count, isoTimeOrNull } from "../../shared/cli/age.ts";
import type { Call, Run } from "../../shared/cli/command.ts";
import { markCell } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { isFault } from "../../shared/core/fault.ts";
import { lookAtHub } from "../edge/offline/look-at-hub.ts";
import { lookAtNats } from "../edge/offline/look-at-nats.ts";
import type { HubSettings } from "../settings.ts";
import { natsRows } from "../core/nats/nats-rows.ts";
import { existingDataDir, hubPlace, textOption } from "./place.ts";

/** What lies in the data directory, read without the hub: for the machine's own administrator, when `felhom status` has nobody to ask. */
export const run: Run = async (call) => {
  const dataDir = await existingDataDir(call);
  const running = isRunning(call, dataDir);
  const look = await lookAtHub(call.world, dataDir);
  const nats = await lookAtNats(call.world, dataDir, await natsOf(call), look.fleetId);
  const nowMs = call.world.clock.wallMs();
  const isWell = look.check === "ok" && look.audit.ok;
  present(call, {
    kind: "HubDirectory",
    data: {
      dataDir,
      running,
      schema: look.schema,
      databaseBytes: look.bytes,
      check: look.check,
      auditWhole: look.audit.ok,
      auditHead: look.audit.ok ? look.audit.head : null,
      fleetId: look.fleetId,
      fleet: look.fleetName,
      rootVersion: look.rootVersion,
      bundle: look.bundle,
      hosts: look.hosts,
      pending: look.pending,
      tokens: look.tokens,
      hubEpoch: look.epoch,
      lastBackupAt: isoTimeOrNull(look.lastBackupAt),
      nats,
    },
    human: () =>
      fields(
        [
          ["data directory", dataDir],
          ["hub", running ? markCell(call.terminal, "good", "running") : markCell(call.terminal, "off", "not running")],
          [
            "database",
            look.check === "ok"
              ? markCell(call.terminal, "good", `${byteSize(look.bytes)}, schema ${look.schema}, whole`)
              : markCell(call.terminal, "bad", look.check),
          ],
          [
            "audit log",
            look.audit.ok
              ? markCell(call.terminal, "good", `${count(look.audit.rows, "row")}, head ${look.audit.head.seq} ${look.audit.head.hash.slice(0, 16)}`)
              : markCell(call.terminal, "bad", `broken at row ${look.audit.brokenSeq}`),
          ],
          ["fleet", look.fleetName === null ? "none yet" : `${look.fleetName} (${look.fleetId ?? ""}), root ${look.rootVersion}`],
          ["hosts", `${look.hosts}, ${look.pending} waiting for approval`],
          ["bundle", look.bundle === 0 ? "none yet" : look.bundle],
          ["epoch", look.epoch],
          ...natsRows(nats, call.terminal),
          ["last backup", look.lastBackupAt === null ? markCell(call.terminal, "warn", "never") : ago(look.lastBackupAt, nowMs)],
        ],
        call.terminal,
      ),
    next: !isWell ? "felhom hub restore BACKUP --data-dir NEW" : look.lastBackupAt === null ? `felhom hub backup DIR --data-dir ${dataDir}` : undefined,
  });
  return isWell ? 0 : 1;
};

/** `--nats-urls` for a hub that was told its servers by flags; otherwise the hub's settings name them. */
async function natsOf(call: Call): Promise<HubSettings["nats"]> {
  const { nats } = await hubPlace(call);
  const given = textOption(call, "nats-urls");
  return given === undefined ? nats : { ...nats, urls: given.split(",") };
}

/** The hub holds a lock for as long as it lives. */
function isRunning(call: Call, dataDir: string): boolean {
  try {
    call.world.files.lock("hub.lock", `${dataDir}/lock`).release();
    return false;
  } catch (error) {
    if (isFault(error, "lock_held")) return true;
    throw error;
  }
}
