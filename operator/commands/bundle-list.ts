import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { optionText } from "../core/cli/option-values.ts";
import { bundleItemData, bundleListText } from "../core/fleet/bundle-text.ts";
import { readLimit } from "../core/fleet/event-query.ts";
import { listBundles, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

export const run: Run = async (call) => {
  const { hub, nowMs } = await openSession(call, { roots: "held" });
  const bundles = await take(listBundles(hub), readLimit(optionText(call, "limit"), 20));
  present(call, {
    kind: "BundleList",
    data: { items: bundles.map(bundleItemData) },
    human: () => (bundles.length === 0 ? "  No bundle was published yet." : bundleListText(bundles, nowMs, call.terminal)),
    next: bundles.length === 0 ? "felhom publish DIR" : `felhom bundle show ${bundles[0]?.version ?? ""}`,
  });
  return 0;
};
