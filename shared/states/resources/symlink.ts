import * as z from "zod/mini";
import { absolutePath, described, oneLine, presence } from "./fields.ts";
import { refuseStep } from "./kind.ts";
import type { Kind, Refuse } from "./kind.ts";

const schema = z
  .strictObject({
    path: described(absolutePath, "Where the link is. Default: the entry's key."),
    ensure: described(z._default(presence, "present"), "Whether the link is there."),
    target: z.optional(
      described(oneLine(4_096).check(z.minLength(1)), "What the link says: absolute, or relative to the link's directory. It need not exist."),
    ),
    replace: described(z._default(z.boolean(), false), "Put the link in the place of a regular file. A directory is never replaced."),
  })
  .check(z.refine((link) => link.ensure === "absent" || link.target !== undefined, { message: "has no target" }));

export type SymlinkParams = z.infer<typeof schema>;
export type SymlinkObserved = { readonly is: "absent" } | { readonly is: "symlink"; readonly target: string } | { readonly is: "file" | "directory" | "other" };
export type SymlinkStep =
  /** Made under another name in the same directory, then renamed over what is there. */
  | { readonly do: "symlink.make"; readonly reason: string; readonly path: string; readonly target: string }
  | { readonly do: "symlink.remove"; readonly reason: string; readonly path: string }
  | Refuse;

function decide(wanted: SymlinkParams, observed: SymlinkObserved): readonly SymlinkStep[] {
  const { path } = wanted;
  if (wanted.ensure === "absent" || wanted.target === undefined) {
    if (observed.is === "absent") return [];
    if (observed.is === "symlink") return [{ do: "symlink.remove", reason: "it is there and is to be absent", path }];
    return [refuseStep(`not a symbolic link but a ${wordFor(observed.is)} is in its place`)];
  }
  const make = (reason: string): SymlinkStep => ({ do: "symlink.make", reason, path, target: wanted.target ?? "" });
  switch (observed.is) {
    case "absent":
      return [make("it is absent")];
    case "symlink":
      return observed.target === wanted.target ? [] : [make(`it leads to ${observed.target}, ${wanted.target} is wanted`)];
    case "file":
      return [wanted.replace ? make("a file is in its place") : refuseStep("a file is in its place and replace is off")];
    default:
      return [refuseStep(`a ${wordFor(observed.is)} is in its place`)];
  }
}

const wordFor = (is: "file" | "directory" | "other"): string => (is === "other" ? "device, pipe or socket" : is);

export const symlink: Kind<typeof schema, SymlinkParams, SymlinkObserved, SymlinkStep> = {
  type: "symlink",
  summary: "A symbolic link.",
  namedBy: "path",
  schema,
  example: "/etc/localtime:\n  symlink:\n    target: /usr/share/zoneinfo/Europe/Budapest\n",
  decide,
};
