import type { Check } from "../../../../shared/core/health.ts";
import { EventFeed } from "../../events/event-feed.ts";
import type { Hub } from "../../hub.ts";
import { newestEventSeq } from "../../store/events.ts";
import type { Route } from "../route.ts";
import { auditRoutes } from "./audit.ts";
import { blobRoutes } from "./blobs.ts";
import { bundleRoutes } from "./bundles.ts";
import { enrollmentRoutes } from "./enrollments.ts";
import { eventRoutes } from "./events.ts";
import { grantRoutes } from "./grants.ts";
import { hostEditRoutes } from "./host-edits.ts";
import { hostRoutes } from "./hosts.ts";
import { identityRoutes } from "./identities.ts";
import { loginRoutes } from "./login.ts";
import { opRoutes } from "./ops.ts";
import { returnRoutes } from "./carried-returns.ts";
import { rootRoutes } from "./roots.ts";
import { setupRoutes } from "./setup.ts";
import { statusRoutes } from "./status.ts";
import { tokenRoutes } from "./tokens.ts";

/** Everything under /api/v1. `checks` is the list that /readyz reads. */
export function operatorRoutes(hub: Hub, checks: () => readonly Check[]): readonly Route[] {
  const feed = new EventFeed(
    hub.world.clock,
    () => hub.store.read(newestEventSeq),
    () => hub.courier.isStopping,
  );
  return [
    ...setupRoutes(hub),
    ...loginRoutes(hub),
    ...rootRoutes(hub),
    ...enrollmentRoutes(hub),
    ...hostRoutes(hub),
    ...identityRoutes(hub),
    ...hostEditRoutes(hub),
    ...grantRoutes(hub),
    ...bundleRoutes(hub),
    ...blobRoutes(hub),
    ...opRoutes(hub),
    ...returnRoutes(hub),
    ...eventRoutes(hub, feed),
    ...auditRoutes(hub),
    ...tokenRoutes(hub),
    ...statusRoutes(hub, checks),
  ];
}
