import { done, type Executor, failed } from "../executor.ts";

/** Handed to the same worker that takes a hub's roots: the chain of signatures decides, this op's own adds nothing. */
export const trustAcceptRoot: Executor<"trust.accept-root"> = async ({ roots }, { workers, desk, site, stop }) => {
  const before = desk.held?.root ?? 0;
  const { held, refused } = await workers.ask({ op: "adopt", settings: desk.workerSettings(), roots }, stop);
  desk.held = held;
  site.forget();
  const [first] = refused;
  if (first !== undefined) return failed(first.code, first.detail === "" ? `root ${first.version} stays in force` : first.detail);
  if (held.root > before) desk.want("bundle");
  return done({ root: held.root, before });
};
