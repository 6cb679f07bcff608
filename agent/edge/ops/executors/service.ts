import { isFault } from "../../../../shared/core/fault.ts";
import { Accounts } from "../../providers/accounts.ts";
import { ParentDirs } from "../../providers/parent-dirs.ts";
import { serviceProviderOf } from "../../providers/service.ts";
import { Stages } from "../../providers/stages.ts";
import { done, type Executor, failed, type Outcome, type OpWork } from "../executor.ts";
import { stoppable } from "../stoppable.ts";

type Verb = "service.restart" | "service.stop" | "service.start";

export const serviceRestart: Executor<"service.restart"> = ({ name }, work) => act(work, "service.restart", name);
export const serviceStop: Executor<"service.stop"> = ({ name }, work) => act(work, "service.stop", name);
export const serviceStart: Executor<"service.start"> = ({ name }, work) => act(work, "service.start", name);

/** By the same providers that converging uses. Afterwards it looks, and says what it saw. */
async function act(work: OpWork, verb: Verb, name: string): Promise<Outcome> {
  const world = stoppable(work);
  const chosen = serviceProviderOf(world);
  if (chosen.provider === undefined) return failed("op_precondition", chosen.because);
  const { provider } = chosen;
  const wanted = [{ name, onWatch: "restart" }] as const;
  const parents = new ParentDirs(world.files, world.self);
  const context = { world, parents, accounts: new Accounts(world), treeDir: "/", stages: new Stages(world) };
  try {
    const [before] = await provider.observe(context, wanted);
    if (before?.ok === true && before.observed.is === "missing") return failed("not_found", `there is no service ${name}`);
    await provider.apply(context, { do: verb, name, reason: "asked for by an op" });
    const [after] = await provider.observe(context, wanted);
    return done({ name, running: after?.ok === true && after.observed.is === "present" ? after.observed.running : null });
  } catch (error) {
    if (!isFault(error) || error.code === "disk_failed") throw error;
    return { ...failed(error.code, error.message), wasKilled: work.stop.aborted };
  } finally {
    parents.close();
  }
}
