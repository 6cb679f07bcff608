/**
 * What each side may say and hear on the bus. A host: its own subjects, the broadcast, its own inbox; nothing of JetStream, nothing of
 * the server, no wildcard. The hub: what it needs to carry and to manage one stream, and nobody's inbox but its own.
 */
import { natsSubjects } from "../../../shared/protocol/nats-subjects.ts";

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** Its two op subjects, its inbox, and room for a second set while a connection is replaced. */
export const HOST_SUBSCRIPTIONS_MAX = 8;
export const HOST_MESSAGE_BYTES_MAX = 256 * 1024;

export function hostPermissions(fleetId: string, hostId: string): Permissions {
  const { broadcast, ofHost } = natsSubjects(fleetId);
  const own = ofHost(hostId);
  return { publish: [own.ack, own.return, own.alive], subscribe: [broadcast, own.op, `${own.inbox}.>`] };
}

export function hubPermissions(fleetId: string): Permissions {
  const { broadcast, ofHost, everyAck, everyAlive, hubInbox } = natsSubjects(fleetId);
  return {
    publish: [broadcast, ofHost("*").op, "$JS.API.>", "$JS.ACK.>"],
    subscribe: [everyAck, everyAlive, `${hubInbox}.>`],
  };
}
