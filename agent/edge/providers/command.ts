import { Fault } from "../../../shared/core/fault.ts";
import type { CommandObserved, CommandParams, CommandStep } from "../../../shared/states/resources/command.ts";
import { observeEachAsync } from "./observing.ts";
import type { Provider, ProviderContext } from "./provider.ts";
import { run, SYSTEM_ENV, type Ran } from "./run.ts";

/** Programs with guards. What they print is never logged or reported: only how they ended. */
export const commandProvider: Provider<CommandParams, CommandObserved, CommandStep> = {
  type: "command",
  because: "programs are started the same way everywhere",
  async observe(context, wanted) {
    return observeEachAsync(wanted, (one) => look(context, one));
  },
  async apply(context, step) {
    const done = await start(context, "command.run", step.argv, { user: step.user, cwd: step.cwd, env: step.env, timeoutMs: step.timeoutMs });
    if (done.timedOut) throw new Fault("exec_failed", `Cannot finish ${step.argv[0]}: it took longer than ${step.timeoutMs / 1_000} s and was killed`);
    if (done.code !== 0)
      throw new Fault("exec_failed", `Cannot run ${step.argv[0]}: it ended with ${done.code === null ? "a signal" : `exit code ${done.code}`}`);
  },
};

/** In the order of their cost, and no further than the first that says no: a guard is a program too. */
async function look(context: ProviderContext, wanted: CommandParams): Promise<CommandObserved> {
  const created = wanted.creates === undefined ? undefined : context.world.files.stat("command.creates", wanted.creates, { follow: true }) !== undefined;
  if (created === true) return { created };
  const unlessHolds = wanted.unless === undefined ? undefined : await holds(context, wanted, wanted.unless);
  if (unlessHolds === true) return { ...(created === undefined ? {} : { created }), unlessHolds };
  const onlyIfHolds = wanted.onlyIf === undefined ? undefined : await holds(context, wanted, wanted.onlyIf);
  return {
    ...(created === undefined ? {} : { created }),
    ...(unlessHolds === undefined ? {} : { unlessHolds }),
    ...(onlyIfHolds === undefined ? {} : { onlyIfHolds }),
  };
}

async function holds(context: ProviderContext, wanted: CommandParams, argv: readonly string[]): Promise<boolean> {
  const done = await start(context, "command.guard", argv, { user: wanted.user, cwd: wanted.cwd ?? "/", env: wanted.env, timeoutMs: wanted.timeout * 1_000 });
  if (done.timedOut) throw new Fault("exec_failed", `Cannot ask the guard ${argv[0]}: it took longer than ${wanted.timeout} s`);
  if (done.code === null) throw new Fault("exec_failed", `Cannot ask the guard ${argv[0]}: a signal ended it`);
  return done.code === 0;
}

interface How {
  readonly user: string | undefined;
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

async function start(context: ProviderContext, op: string, argv: readonly string[], how: How): Promise<Ran> {
  const [program, ...rest] = argv;
  if (program === undefined) throw new Fault("bad_request", "Cannot run a command without a program");
  if (how.user !== undefined) await context.accounts.learn([how.user], []);
  const account = how.user === undefined ? undefined : context.accounts.users().get(how.user);
  if (how.user !== undefined && account === undefined) throw new Fault("not_found", `Cannot run ${program} as ${how.user}: there is no such user`);
  const isSwitch = account !== undefined && account.uid !== context.world.self.uid;
  return run(context.world, op, [program, ...rest], {
    env: { ...SYSTEM_ENV, ...(account === undefined ? {} : { HOME: account.home, USER: account.name, LOGNAME: account.name }), ...how.env },
    cwd: how.cwd,
    timeoutMs: how.timeoutMs,
    ...(isSwitch ? { user: { uid: account.uid, gid: account.gid } } : {}),
  });
}
