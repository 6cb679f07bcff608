import { MINUTE_MS } from "../../../../shared/ops/op-kind.ts";
import { PAUSE_MS_MAX } from "../../../core/desired/spec.ts";
import { writeCounter } from "../../store/counters.ts";
import { done, type Executor } from "../executor.ts";

/** Counted from the signed time of issue, so that an op which was long on its way does not pause longer. Ends what an op began; the spec's own pause is the spec's. */
export const convergePause: Executor<"converge.pause"> = ({ minutes }, { world, desk, payload }) => {
  const untilMs = minutes === 0 ? 0 : Math.min(payload.issued_at + minutes * MINUTE_MS, world.clock.wallMs() + PAUSE_MS_MAX);
  desk.store.use((database) => writeCounter(database, "op_pause_until", untilMs));
  desk.want("spec");
  return Promise.resolve(done({ paused_until: untilMs === 0 ? null : untilMs }));
};
