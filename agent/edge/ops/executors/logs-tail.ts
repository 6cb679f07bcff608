import { isFault } from "../../../../shared/core/fault.ts";
import { serviceManagerOf } from "../../facts/service-manager.ts";
import { SYSTEM_ENV } from "../../providers/run.ts";
import { type Executor, failed } from "../executor.ts";
import { runProgram } from "../run-program.ts";

/** The agent's own unit, as its package names it. */
const OWN_UNIT = "felhom-agent.service";
const SYSLOG = "/var/log/syslog";

/** journalctl where systemd runs; elsewhere the end of syslog, and only that file. What is followed ends by itself. */
export const logsTail: Executor<"logs.tail"> = async ({ unit, lines, since_s, follow_s }, work) => {
  const { world } = work;
  const name = unit ?? OWN_UNIT;
  const { name: manager } = serviceManagerOf(world);
  const program = manager === "systemd" ? journal(name, lines, since_s, follow_s !== undefined) : syslog(unit, lines, since_s, follow_s);
  if (program === undefined)
    return failed("op_precondition", `there is no journal here: only the last lines of ${SYSLOG} can be had, without unit and since_s`);
  if (manager !== "systemd" && world.files.stat("op.logs", SYSLOG)?.kind !== "file")
    return failed("file_missing", `there is neither a journal nor ${SYSLOG} here`);
  const enough = new AbortController();
  const stop = AbortSignal.any([work.stop, enough.signal]);
  if (follow_s !== undefined) void world.clock.sleep(follow_s * 1_000, stop).then(() => enough.abort());
  try {
    const outcome = await runProgram({ ...work, stop }, { op: "op.logs", argv: program, env: SYSTEM_ENV, cwd: "/" });
    // Following has no end of its own: being stopped after the time that was asked for is how it ends well.
    if (follow_s !== undefined && enough.signal.aborted && !work.stop.aborted) return { as: "done", fields: { duration_ms: follow_s * 1_000 } };
    return outcome;
  } catch (error) {
    if (!isFault(error) || error.code === "disk_failed") throw error;
    return failed(error.code, error.message);
  } finally {
    enough.abort();
  }
};

function journal(unit: string, lines: number, sinceS: number | undefined, follows: boolean): [string, ...string[]] {
  const since = sinceS === undefined ? [] : [`--since=-${sinceS}s`];
  return ["journalctl", "--no-pager", "--output=short-iso", `--unit=${unit}`, `--lines=${lines}`, ...since, ...(follows ? ["--follow"] : [])];
}

function syslog(unit: string | undefined, lines: number, sinceS: number | undefined, followS: number | undefined): [string, ...string[]] | undefined {
  if (unit !== undefined || sinceS !== undefined) return undefined;
  return ["tail", "-n", String(lines), ...(followS === undefined ? [] : ["-F"]), "--", SYSLOG];
}
