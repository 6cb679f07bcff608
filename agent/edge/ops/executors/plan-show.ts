import { utf8 } from "../../../../shared/core/bytes.ts";
import { done, type Executor, failed } from "../executor.ts";

/** In a worker, as every plan; secrets are masked there. The text is the output, so that a large one comes in parts. */
export const planShow: Executor<"plan.show"> = async (_params, { workers, desk, say, stop }) => {
  const { bundle, text, because } = await workers.ask({ op: "plan", settings: desk.workerSettings() }, stop);
  if (because !== undefined) return failed("op_precondition", because);
  say("stdout", utf8(text));
  return done({ bundle });
};
