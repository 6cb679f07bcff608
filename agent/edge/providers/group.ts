import type { GroupObserved, GroupParams, GroupStep } from "../../../shared/states/resources/group.ts";
import { observeEach } from "./observing.ts";
import type { Provider } from "./provider.ts";
import { mustRun } from "./run.ts";

/** Local groups, by the tools of the `passwd` package: they hold the locks that everybody else respects. */
export const groupProvider: Provider<GroupParams, GroupObserved, GroupStep> = {
  type: "group",
  because: "/etc/group is kept with groupadd and its like",
  async observe(context, wanted) {
    context.accounts.forget();
    return observeEach(wanted, ({ name }) => {
      const entry = context.accounts.groups().get(name);
      return entry === undefined ? { is: "absent" } : { is: "present", gid: entry.gid };
    });
  },
  async apply(context, step) {
    try {
      await mustRun(context.world, step.do, argvFor(step));
    } finally {
      context.accounts.forget();
    }
  },
};

function argvFor(step: GroupStep): readonly [string, ...string[]] {
  switch (step.do) {
    case "group.add":
      return ["groupadd", ...(step.system ? ["--system"] : []), ...(step.gid === undefined ? [] : ["--gid", String(step.gid)]), step.name];
    case "group.modify":
      return ["groupmod", "--gid", String(step.gid), step.name];
    case "group.remove":
      return ["groupdel", step.name];
  }
}
