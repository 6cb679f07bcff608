import { utf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import type { UserChanges, UserObserved, UserParams, UserStep } from "../../../shared/states/resources/user.ts";
import { observeEach } from "./observing.ts";
import type { Provider, ProviderContext } from "./provider.ts";
import { mustRun } from "./run.ts";

const SHADOW_BYTES_MAX = 16 * 1024 * 1024;

/** Local users, by useradd and its like. A password hash goes to chpasswd on stdin: never into argv, a log or a plan. */
export const userProvider: Provider<UserParams, UserObserved, UserStep> = {
  type: "user",
  because: "/etc/passwd is kept with useradd and its like",
  async observe(context, wanted) {
    context.accounts.forget();
    const hashes = wanted.some(({ passwordHash }) => passwordHash !== undefined) ? shadow(context) : undefined;
    return observeEach(wanted, ({ name }) => look(context, name, hashes));
  },
  async apply(context, step) {
    try {
      await apply(context, step);
    } finally {
      context.accounts.forget();
    }
  },
};

function look(context: ProviderContext, name: string, hashes: ReadonlyMap<string, string> | undefined): UserObserved {
  const { accounts } = context;
  const entry = accounts.users().get(name);
  if (entry === undefined) return { is: "absent" };
  const all = [...accounts.groups().values()];
  return {
    is: "present",
    uid: entry.uid,
    group: all.find(({ gid }) => gid === entry.gid)?.name ?? String(entry.gid),
    groups: all
      .filter(({ members }) => members.includes(name))
      .map((group) => group.name)
      .sort(),
    home: entry.home,
    shell: entry.shell,
    comment: entry.comment,
    passwordHash: hashes?.get(name) ?? null,
  };
}

/** `undefined` when it may not be read: then passwords are not compared, which `decide` knows. */
function shadow(context: ProviderContext): ReadonlyMap<string, string> | undefined {
  try {
    const text = new TextDecoder().decode(context.world.files.read("user.shadow", "/etc/shadow", { bytesMax: SHADOW_BYTES_MAX, follow: true }));
    return new Map(text.split("\n").map((line) => [line.split(":")[0] ?? "", line.split(":")[1] ?? ""]));
  } catch (error) {
    if (isFault(error, "file_denied")) return undefined;
    throw error;
  }
}

async function apply(context: ProviderContext, step: UserStep): Promise<void> {
  const { world } = context;
  switch (step.do) {
    case "user.add": {
      // useradd refuses to make the user's own group when there is one of that name already: then it is the one that is meant.
      const own = step.with.group === undefined && context.accounts.groups().has(step.name) ? ["--gid", step.name] : [];
      const home = step.createHome ? "--create-home" : "--no-create-home";
      await mustRun(world, step.do, ["useradd", ...(step.system ? ["--system"] : []), home, ...own, ...flags(step.with, "--home-dir"), step.name]);
      return setPassword(context, step.name, step.with);
    }
    case "user.modify": {
      const changed = flags(step.changes, "--home");
      if (changed.length > 0) await mustRun(world, step.do, ["usermod", ...changed, step.name]);
      return setPassword(context, step.name, step.changes);
    }
    case "user.remove":
      await mustRun(world, step.do, ["userdel", ...(step.removeHome ? ["--remove"] : []), step.name]);
  }
}

function flags(changes: UserChanges, homeFlag: string): readonly string[] {
  return [
    ...(changes.uid === undefined ? [] : ["--uid", String(changes.uid)]),
    ...(changes.group === undefined ? [] : ["--gid", changes.group]),
    ...(changes.groups === undefined ? [] : ["--groups", changes.groups.join(",")]),
    ...(changes.home === undefined ? [] : [homeFlag, changes.home]),
    ...(changes.shell === undefined ? [] : ["--shell", changes.shell]),
    ...(changes.comment === undefined ? [] : ["--comment", changes.comment]),
  ];
}

async function setPassword(context: ProviderContext, name: string, changes: UserChanges): Promise<void> {
  if (changes.passwordHash === undefined) return;
  await mustRun(context.world, "user.password", ["chpasswd", "--encrypted"], { stdin: utf8(`${name}:${changes.passwordHash}\n`) });
}
