import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { CRON_MODE, cronPath, type CronObserved, type CronParams, type CronStep } from "../../../shared/states/resources/cron.ts";
import { observeEach } from "./observing.ts";
import { NOBODY_ELSE } from "./parent-dirs.ts";
import type { Provider, ProviderContext } from "./provider.ts";
import { bytesContent, writeFile } from "./write-file.ts";

const JOB_BYTES_MAX = 256 * 1024;

/** Files of /etc/cron.d. Cron reads them again by itself when they change, and ignores any that is not root's alone to write. */
export const cronProvider: Provider<CronParams, CronObserved, CronStep> = {
  type: "cron",
  because: "cron reads /etc/cron.d",
  async observe(context, wanted) {
    return observeEach(wanted, (one) => look(context, one));
  },
  async apply(context, step) {
    switch (step.do) {
      case "refuse":
        throw new Fault("conflict", `Cannot go on: ${step.reason}`);
      case "cron.write":
        return write(context, step.path, step.text);
      case "cron.remove":
        return remove(context, step.path);
    }
  },
};

function look(context: ProviderContext, wanted: CronParams): CronObserved {
  const { files } = context.world;
  const path = cronPath(wanted);
  const place = context.parents.find("cron.observe", path, NOBODY_ELSE);
  const stat = place === undefined ? undefined : files.stat("cron.observe", place.at);
  if (place === undefined || stat === undefined) return { is: "absent" };
  if (stat.kind !== "file") return { is: stat.kind };
  const bytes = files.read("cron.observe", place.at, { bytesMax: JOB_BYTES_MAX });
  return { is: "file", text: new TextDecoder().decode(bytes), mode: stat.mode, uid: stat.uid };
}

function write(context: ProviderContext, path: string, text: string): void {
  const { world, parents } = context;
  if (parents.find("cron.write", path, NOBODY_ELSE) === undefined)
    throw new Fault("file_missing", "Cannot write a cron job: /etc/cron.d is not there", { remedy: "Add a package resource for cron" });
  const bytes = utf8(text);
  if (fromUtf8(bytes) !== text || text.includes("\0")) throw new Fault("bad_request", `Cannot write ${path}: it is not plain text`);
  writeFile(world, "cron.write", parents.place("cron.write", path, NOBODY_ELSE), bytesContent(bytes), { mode: CRON_MODE, uid: 0, gid: 0 }, context.stages);
}

function remove(context: ProviderContext, path: string): void {
  const place = context.parents.find("cron.remove", path, NOBODY_ELSE);
  if (place === undefined) return;
  context.world.files.remove("cron.remove", place.at);
  place.dir.sync();
}
