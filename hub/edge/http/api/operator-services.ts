import type { Metric } from "../../../../shared/core/metrics.ts";
import type { World } from "../../../../shared/ports/world.ts";
import type { Service } from "../../../../shared/service.ts";
import { loopService } from "../../care/loop-service.ts";
import type { Hub } from "../../hub.ts";
import { type Pruned, sweep } from "../../retention/sweep.ts";

const SWEEP_MS = 600_000;

/** What runs beside the operator API: forgetting what may be forgotten. */
export function operatorServices(world: World, hub: () => Hub): readonly Service[] {
  const total = { events: 0, audit: 0, bundles: 0, blobs: 0, sessions: 0, replies: 0, ops: 0, op_log: 0 } satisfies Pruned;
  const turn = async (): Promise<void> => {
    const gone = await sweep(hub());
    for (const what of KINDS) total[what] += gone[what];
    if (KINDS.some((what) => gone[what] > 0)) world.log.event("info", "retention.pruned", { ...gone });
  };
  const metrics = (): readonly Metric[] => [
    {
      name: "felhom_hub_pruned_total",
      help: "Rows and files forgotten by retention.",
      type: "counter",
      samples: KINDS.map((what) => ({ labels: { what }, value: total[what] })),
    },
  ];
  return [loopService(world, { name: "retention", everyMs: SWEEP_MS, failure: "retention.failed", turn, metrics })];
}

const KINDS = ["events", "audit", "bundles", "blobs", "sessions", "replies", "ops", "op_log"] as const satisfies readonly (keyof Pruned)[];
