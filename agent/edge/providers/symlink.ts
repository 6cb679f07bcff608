import { Fault } from "../../../shared/core/fault.ts";
import type { SymlinkObserved, SymlinkParams, SymlinkStep } from "../../../shared/states/resources/symlink.ts";
import { observeEach } from "./observing.ts";
import { NOBODY_ELSE } from "./parent-dirs.ts";
import type { Provider, ProviderContext } from "./provider.ts";

/** Symbolic links, made under a staged name and renamed into place: there is no moment without a link. */
export const symlinkProvider: Provider<SymlinkParams, SymlinkObserved, SymlinkStep> = {
  type: "symlink",
  because: "symbolic links are the same everywhere",
  async observe(context, wanted) {
    return observeEach(wanted, (one) => look(context, one));
  },
  async apply(context, step) {
    switch (step.do) {
      case "refuse":
        throw new Fault("conflict", `Cannot go on: ${step.reason}`);
      case "symlink.make":
        return make(context, step.path, step.target);
      case "symlink.remove":
        return remove(context, step.path);
    }
  },
};

function look(context: ProviderContext, wanted: SymlinkParams): SymlinkObserved {
  const { files } = context.world;
  const place = context.parents.find("symlink.observe", wanted.path, NOBODY_ELSE);
  const stat = place === undefined ? undefined : files.stat("symlink.observe", place.at);
  if (place === undefined || stat === undefined) return { is: "absent" };
  if (stat.kind !== "symlink") return { is: stat.kind };
  return { is: "symlink", target: files.readLink("symlink.observe", place.at) };
}

function make(context: ProviderContext, path: string, target: string): void {
  const { world } = context;
  const place = context.parents.place("symlink.make", path, NOBODY_ELSE);
  const there = world.files.stat("symlink.make", place.at);
  if (there?.kind === "directory" || there?.kind === "other")
    throw new Fault("file_not_regular", `Cannot link ${path}: a directory, device, pipe or socket is in its place`);
  const staged = `${place.dir.path}/${context.stages.name()}`;
  world.files.symlink("symlink.make", target, staged);
  try {
    world.files.rename("symlink.make", staged, place.at);
  } catch (error) {
    world.files.remove("symlink.make", staged);
    throw error;
  }
  place.dir.sync();
}

function remove(context: ProviderContext, path: string): void {
  const { files } = context.world;
  const place = context.parents.find("symlink.remove", path, NOBODY_ELSE);
  const stat = place === undefined ? undefined : files.stat("symlink.remove", place.at);
  if (place === undefined || stat === undefined) return;
  if (stat.kind !== "symlink") throw new Fault("conflict", `Cannot remove ${path}: it is no longer a symbolic link`);
  files.remove("symlink.remove", place.at);
  place.dir.sync();
}
