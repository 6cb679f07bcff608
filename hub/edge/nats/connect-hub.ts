import type { Bus } from "../../../shared/ports/bus.ts";
import type { Hub } from "../hub.ts";
import { issueForHub } from "./credentials.ts";
import { natsKeys } from "./keys.ts";
import { natsCaPem } from "./server-config.ts";

const CONNECT_MS = 5_000;
const PING_MS = 10_000;
/** Half of the credentials' life. */
export const HUB_RENEW_MS = 12 * 3_600_000;

/** With credentials of its own making, fresh each time: a restored hub speaks as itself at once. */
export async function connectHub(hub: Pick<Hub, "world" | "settings" | "fleet">, url: string, onRefused?: (subject: string) => void): Promise<Bus> {
  const { world, settings, fleet } = hub;
  const issued = issueForHub(world, natsKeys(world, settings.dataDir), fleet.root?.payload.fleet_id ?? "");
  const caPem = natsCaPem(world, settings.dataDir, settings.nats.caPath);
  return world.buses.connect("nats.connect", {
    url,
    name: "felhom hub",
    credentials: issued,
    inbox: issued.inbox,
    timeoutMs: CONNECT_MS,
    pingMs: PING_MS,
    ...(caPem === undefined || url.startsWith("nats://") ? {} : { caPem }),
    ...(onRefused === undefined ? {} : { onRefused }),
  });
}
