import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { fields } from "../../shared/cli/table.ts";
import { flatFacts } from "../core/facts/flat-facts.ts";
import { collectFacts } from "../edge/facts/collect-facts.ts";
import { collectMetrics } from "../edge/facts/collect-metrics.ts";
import { listOption } from "./option.ts";
import { quietWorld } from "./quiet-world.ts";

/** What this machine says of itself. Exit 1 when a part of it could not be seen: the answer is then not whole, and says so. */
export const run: Run = async (call) => {
  if (call.options["metrics"] === true) {
    const metrics = collectMetrics(call.world);
    present(call, { kind: "Metrics", data: { metrics }, human: () => fields(Object.entries(metrics), call.terminal) });
    return 0;
  }
  const dirs = listOption(call, "facts-dir");
  const facts = await collectFacts(quietWorld(call), dirs.length === 0 ? {} : { factsDirs: dirs });
  present(call, { kind: "Facts", data: { facts }, human: () => fields(flatFacts(facts), call.terminal) });
  return Object.keys(facts["errors"] ?? {}).length === 0 ? 0 : 1;
};
