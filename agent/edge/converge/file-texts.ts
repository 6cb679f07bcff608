import { fromUtf8 } from "../../../shared/core/bytes.ts";
import type { World } from "../../../shared/ports/world.ts";
import { editedText } from "../../../shared/states/resources/line.ts";
import type { Step } from "../../../shared/states/resources/registry.ts";
import type { FileTexts } from "../../core/converge/plan-text.ts";
import type { Planned } from "../../core/converge/plan.ts";

const SHOWN_BYTES_MAX = 64 * 1024;
const DIFFS_MAX = 200;
const OTHERS_MAY_READ = 0o004;

/** What the files of a plan hold now and are going to hold, for its diffs. Read only when there is a change to show. */
export function fileTexts(world: World, treeDir: string, planned: readonly Planned[]): ReadonlyMap<string, FileTexts> {
  const texts = new Map<string, FileTexts>();
  for (const { resource, verdict } of planned) {
    if (verdict.is !== "change" || resource.sensitive || texts.size >= DIFFS_MAX) continue;
    for (const step of verdict.steps) {
      const found = textsOf(world, treeDir, step);
      if (found !== undefined) texts.set(resource.id, found);
    }
  }
  return texts;
}

function textsOf(world: World, treeDir: string, step: Step): FileTexts | undefined {
  if (step.do !== "file.write" && step.do !== "line.edit" && step.do !== "cron.write") return undefined;
  const now = textNow(world, step.path);
  if (typeof now !== "string") return { is: "hidden", because: now.hidden };
  switch (step.do) {
    case "line.edit":
      return { is: "shown", path: step.path, before: now, after: editedText(now, step.edit) };
    case "cron.write":
      return { is: "shown", path: step.path, before: now, after: step.text };
    case "file.write": {
      if (step.content.from === "nothing") return undefined;
      if ((step.mode & OTHERS_MAY_READ) === 0) return { is: "hidden", because: "not everybody may read it" };
      const after = step.content.from === "inline" ? step.content.text : textOf(world, `${treeDir}/${step.content.source}`);
      if (after === undefined || after.length > SHOWN_BYTES_MAX) return { is: "hidden", because: "it is not a short text" };
      return { is: "shown", path: step.path, before: now, after };
    }
  }
}

/** What is not for everybody's eyes is not for a plan's either: plans are kept and sent. */
function textNow(world: World, path: string): string | { readonly hidden: string } {
  try {
    const stat = world.files.stat("plan.text", path);
    if (stat === undefined || stat.kind !== "file") return "";
    if ((stat.mode & OTHERS_MAY_READ) === 0) return { hidden: "not everybody may read it" };
  } catch {
    return { hidden: "it cannot be read now" };
  }
  return textOf(world, path) ?? { hidden: "it is not a short text" };
}

/** `undefined` for what is no text, is long, or cannot be read: then the step is shown without a diff. */
function textOf(world: World, path: string): string | undefined {
  try {
    const text = fromUtf8(world.files.read("plan.text", path, { bytesMax: SHOWN_BYTES_MAX }));
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}
