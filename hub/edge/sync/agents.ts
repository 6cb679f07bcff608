/** The agent side of an opened hub, put together once: the pieces that routes and loops share. */
import type { World } from "../../../shared/ports/world.ts";
import type { HubSettings } from "../../settings.ts";
import { Enrolling } from "../enroll/enrolling.ts";
import { LimitsHit } from "../care/limits-hit.ts";
import { Guard } from "../http/guard.ts";
import type { Hub } from "../hub.ts";
import { loadHub } from "../load-hub.ts";
import type { Store } from "../store/store.ts";
import { Courier } from "./courier.ts";
import { LastSeen } from "./last-seen.ts";
import { Replies } from "./reply.ts";
import { Sync } from "./sync.ts";

export interface Agents {
  readonly hub: Hub;
  readonly guard: Guard;
  readonly sync: Sync;
  readonly lastSeen: LastSeen;
  readonly enrolling: Enrolling;
  readonly limitsHit: LimitsHit;
}

export async function agentParts(world: World, settings: HubSettings, store: Store): Promise<Agents> {
  const guard = new Guard(settings, world.clock);
  // The courier answers through the sync, which needs the hub, which holds the courier.
  const made: { sync?: Sync } = {};
  const courier = new Courier(world.clock, (entry, end) => made.sync?.released(entry, end) ?? new Response(null, { status: 503 }));
  const hub = await loadHub(world, settings, store, courier);
  const lastSeen = new LastSeen(hub);
  const sync = new Sync(hub, { guard, replies: new Replies(() => hub), lastSeen });
  made.sync = sync;
  const enrolling = new Enrolling(hub);
  const limitsHit = new LimitsHit(hub, () => ({ ...guard.refused, ...sync.limits, pending_enrollments: enrolling.refusedFull }));
  return { hub, guard, sync, lastSeen, enrolling, limitsHit };
}
