import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { FileStat } from "../../../shared/ports/files.ts";
import { editedText, type LineObserved, type LineParams, type LineStep } from "../../../shared/states/resources/line.ts";
import { observeEach } from "./observing.ts";
import { NOBODY_ELSE, type Place } from "./parent-dirs.ts";
import type { Provider, ProviderContext } from "./provider.ts";
import { bytesContent, writeFile } from "./write-file.ts";

type Edit = Extract<LineStep, { do: "line.edit" }>;

const TEXT_BYTES_MAX = 1024 * 1024;
const NEW_FILE_MODE = 0o644;

/** One line of a file that belongs to others. The file is read again, edited and written back whole, with its owner and mode. */
export const lineProvider: Provider<LineParams, LineObserved, LineStep> = {
  type: "line",
  because: "text files are the same everywhere",
  async observe(context, wanted) {
    return observeEach(wanted, (one) => look(context, one));
  },
  async apply(context, step) {
    if (step.do === "refuse") throw new Fault("conflict", `Cannot go on: ${step.reason}`);
    edit(context, step);
  },
};

function look(context: ProviderContext, wanted: LineParams): LineObserved {
  const place = context.parents.findFollowed("line.observe", wanted.path, { ...NOBODY_ELSE, followSymlinks: wanted.followSymlinks });
  const stat = place === undefined ? undefined : context.world.files.stat("line.observe", place.at);
  if (place === undefined || stat === undefined) return { is: "absent" };
  if (stat.kind !== "file") return { is: stat.kind };
  return { is: "file", text: textOf(context, place) };
}

function textOf(context: ProviderContext, place: Place): string {
  const bytes = context.world.files.read("line.read", place.at, { bytesMax: TEXT_BYTES_MAX });
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new Fault("bad_request", `Cannot edit ${place.real}: it is not UTF-8 text`, { cause });
  }
}

function edit(context: ProviderContext, step: Edit): void {
  const { world, parents } = context;
  const trust = { ...NOBODY_ELSE, followSymlinks: step.followSymlinks };
  const place = parents.findFollowed("line.edit", step.path, trust) ?? parents.place("line.edit", step.path, trust);
  const stat: FileStat | undefined = world.files.stat("line.edit", place.at);
  if (stat === undefined && !step.create) throw new Fault("file_missing", `Cannot edit ${step.path}: it went away`);
  if (stat !== undefined && stat.kind !== "file") throw new Fault("file_not_regular", `Cannot edit ${step.path}: it is not a regular file`);
  parents.refuseForeign("line.edit", step.path, place, stat, trust);
  const before = stat === undefined ? "" : textOf(context, place);
  const after = editedText(before, step.edit);
  if (stat !== undefined && after === before) return;
  const attributes = stat === undefined ? { mode: NEW_FILE_MODE, uid: world.self.uid, gid: world.self.gid } : { mode: stat.mode, uid: stat.uid, gid: stat.gid };
  writeFile(world, "line.edit", place, bytesContent(utf8(after)), attributes, context.stages);
}
