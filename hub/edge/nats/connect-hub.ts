import type { Bus } from "../../../shared/ports/bus.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { Hub } from "../hub.ts";
import { issueForHub } from "./credentials.ts";
import { natsKeys } from "./keys.ts";
import { natsCaPem } from "./server-config.ts";

const CONNECT_MS = 5_000;
const PING_MS = 10_000;
/** Half of the credentials' life. */
export const HUB_RENEW_MS = 12 * 3_600_000;

export function connectHub(
  { world, settings, fleet }: Pick<Hub, "world" | "settings" | "fleet">,
  url: string,
  onRefused: (subject: string) => void,
): Promise<Bus> {
  return connectWith(world, { dataDir: settings.dataDir, caPath: settings.nats.caPath, fleetId: fleet.root?.payload.fleet_id ?? "", url }, onRefused);
}

/** With credentials of the hub's own making, fresh each time: a restored hub speaks as itself at once. */
export async function connectWith(
  world: World,
  place: { readonly dataDir: string; readonly caPath: string; readonly fleetId: string; readonly url: string },
  onRefused?: (subject: string) => void,
): Promise<Bus> {
  const { dataDir, caPath, fleetId, url } = place;
  const issued = issueForHub(world, natsKeys(world, dataDir), fleetId);
  const caPem = url.startsWith("nats://") ? undefined : natsCaPem(world, dataDir, caPath);
  return world.buses.connect("nats.connect", {
    url,
    name: "felhom hub",
    credentials: issued,
    inbox: issued.inbox,
    timeoutMs: CONNECT_MS,
    pingMs: PING_MS,
    ...(caPem === undefined ? {} : { caPem }),
    ...(onRefused === undefined ? {} : { onRefused }),
  });
}
