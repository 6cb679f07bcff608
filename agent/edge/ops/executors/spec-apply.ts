import { done, type Executor, failed } from "../executor.ts";
import { forgetFleet } from "../forget-fleet.ts";

/** The worker that holds the spec compares what was signed with what waits, letter by letter, and takes it. */
export const specApply: Executor<"spec.apply"> = async ({ generation, fields }, { world, workers, desk, stop }) => {
  const { held, refused, applied } = await workers.ask({ op: "apply-spec", settings: desk.workerSettings(), generation, fields }, stop);
  desk.held = held;
  if (refused !== undefined) return failed("op_precondition", refused);
  desk.want("spec");
  return { ...done({ generation, applied }), ...(applied.includes("retire") ? { afterwards: () => forgetFleet(world, desk) } : {}) };
};
