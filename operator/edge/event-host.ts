import { isHostId } from "../../shared/core/ids.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { listHosts, take } from "./hub-api.ts";
import type { HubConnection } from "./hub-connection.ts";

/** Events are filtered by host id; people type names. */
export async function eventHostId(hub: HubConnection, asked: string | undefined): Promise<string | undefined> {
  if (asked === undefined || isHostId(asked)) return asked;
  return chooseHost(await take(listHosts(hub)), asked).host_id;
}
