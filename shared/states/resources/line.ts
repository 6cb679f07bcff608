import * as z from "zod/mini";
import { absolutePath, described, oneLine, presence, resourceName } from "./fields.ts";
import { refuseStep } from "./kind.ts";
import type { Kind, Refuse } from "./kind.ts";

const schema = z.strictObject({
  name: described(resourceName, "What this line is called. Default: the entry's key."),
  path: described(absolutePath, "The file that holds the line."),
  line: described(oneLine(8_192).check(z.minLength(1)), "The whole line, without its newline."),
  ensure: described(
    z._default(presence, "present"),
    "Present: the line is in the file exactly once when `startsWith` is given, else at least once. Absent: it is nowhere in it.",
  ),
  startsWith: z.optional(
    described(
      oneLine(1_024).check(z.minLength(1)),
      "Lines that start with this text are replaced by the line (absent: are removed). There are no patterns, so there are no slow ones.",
    ),
  ),
  create: described(z._default(z.boolean(), false), "Make the file when it is missing."),
  followSymlinks: described(z._default(z.boolean(), false), "Allow symbolic links in the path and as the file itself."),
});

export type LineParams = z.infer<typeof schema>;
/** `text` is the file's whole content, strict UTF-8, at most 1 MiB; a provider throws a fault for anything else. */
export type LineObserved = { readonly is: "absent" } | { readonly is: "file"; readonly text: string } | { readonly is: "directory" | "symlink" | "other" };
export type LineStep =
  /** Read the file again, apply `editedText(text, edit)`, write it back as a `file` would, with mode and owner kept. */
  | {
      readonly do: "line.edit";
      readonly reason: string;
      readonly path: string;
      readonly edit: LineEdit;
      readonly create: boolean;
      readonly followSymlinks: boolean;
    }
  | Refuse;

export interface LineEdit {
  readonly ensure: "present" | "absent";
  readonly line: string;
  readonly startsWith: string | undefined;
}

/** The text after the edit. Other lines stay byte for byte; a last line without newline gets one only when something is appended. */
export function editedText(text: string, edit: LineEdit): string {
  const isHit = (line: string) => line === edit.line || (edit.startsWith !== undefined && line.startsWith(edit.startsWith));
  const lines = text === "" ? [] : text.split("\n");
  const endsOpen = lines.length > 0 && lines.at(-1) !== "";
  if (!endsOpen) lines.pop();
  const hits = lines.filter(isHit);
  if (edit.ensure === "absent") {
    if (hits.length === 0) return text;
    const left = lines.filter((line) => !isHit(line));
    return left.length === 0 ? "" : left.join("\n") + (endsOpen && !isHit(lines.at(-1) ?? "") ? "" : "\n");
  }
  if (hits.length === 0) return [...lines, edit.line, ""].join("\n");
  if (edit.startsWith === undefined || (hits.length === 1 && hits[0] === edit.line)) return text;
  let isPlaced = false;
  const left: string[] = [];
  for (const line of lines) {
    if (!isHit(line)) left.push(line);
    else if (!isPlaced) {
      left.push(edit.line);
      isPlaced = true;
    }
  }
  return left.join("\n") + (endsOpen ? "" : "\n");
}

function decide(wanted: LineParams, observed: LineObserved): readonly LineStep[] {
  const edit: LineEdit = { ensure: wanted.ensure, line: wanted.line, startsWith: wanted.startsWith };
  const step = (reason: string): LineStep => ({
    do: "line.edit",
    reason,
    path: wanted.path,
    edit,
    create: wanted.create,
    followSymlinks: wanted.followSymlinks,
  });
  switch (observed.is) {
    case "absent":
      if (wanted.ensure === "absent") return [];
      return [wanted.create ? step("the file is absent") : refuseStep(`${wanted.path} is absent and create is off`)];
    case "file": {
      if (editedText(observed.text, edit) === observed.text) return [];
      if (wanted.ensure === "absent") return [step("the line is there and is to be absent")];
      const others = wanted.startsWith !== undefined && observed.text.split("\n").some((line) => line.startsWith(wanted.startsWith ?? ""));
      return [step(others ? `other lines start with ${JSON.stringify(wanted.startsWith)}` : "the line is absent")];
    }
    default:
      return [
        refuseStep(
          `${wanted.path} is a ${observed.is === "other" ? "device, pipe or socket" : observed.is === "symlink" ? "symbolic link and followSymlinks is off" : observed.is}`,
        ),
      ];
  }
}

export const line: Kind<typeof schema, LineParams, LineObserved, LineStep> = {
  type: "line",
  summary: "One line in a file that felhom does not own as a whole.",
  namedBy: "name",
  schema,
  example: "no-root-login:\n  line:\n    path: /etc/ssh/sshd_config\n    line: PermitRootLogin no\n    startsWith: PermitRootLogin\n",
  decide,
};
