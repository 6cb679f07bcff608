import { isFault } from "../../../../shared/core/fault.ts";
import { readMark } from "../../store/marks.ts";
import { done, type Executor, failed } from "../executor.ts";

/** One run, outside windows and pauses too: the turnstile that this op holds keeps the schedule's own runs away meanwhile. */
export const convergeNow: Executor<"converge.now"> = async (_params, { workers, desk, stop }) => {
  const marks = desk.store.use((database) => ({ reported: readMark(database, "reported"), facts: readMark(database, "facts") }));
  try {
    const result = await workers.ask(
      { op: "converge", settings: desk.workerSettings(), trigger: "demand", isForced: true, ...marks, databaseLost: false },
      stop,
    );
    desk.keepConverged?.(result);
    const { summary } = result;
    if (summary === undefined) return failed("op_precondition", "this box holds nothing to converge to yet");
    const { bundle, mode, counts, durationMs, degraded, refused } = summary;
    const data = { bundle, mode, counts, duration_ms: durationMs, degraded: degraded ?? null, refused: refused ?? null };
    if (counts.failed === 0 && refused === undefined) return done(data);
    return { as: "failed", fields: { code: "converge_failed", detail: degraded ?? `${counts.failed} resources failed`, data } };
  } catch (error) {
    if (!isFault(error) || error.code === "disk_failed") throw error;
    return { ...failed(error.code, error.message), wasKilled: stop.aborted };
  }
};
