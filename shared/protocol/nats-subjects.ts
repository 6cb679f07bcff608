/** Where what is said over NATS. Both ids have an alphabet without dots, stars and spaces, so a subject cannot be bent by a name. */
import { isHostId, type FleetId, type HostId } from "../core/ids.ts";

export interface NatsSubjects {
  /** To every box at once: each decides by the signed target whether it is meant. */
  readonly broadcast: string;
  readonly ofHost: (hostId: HostId | string) => {
    readonly op: string;
    readonly ack: string;
    readonly return: string;
    readonly alive: string;
    readonly inbox: string;
  };
  readonly everyAck: string;
  readonly everyReturn: string;
  readonly everyAlive: string;
  readonly hubInbox: string;
}

export function natsSubjects(fleetId: FleetId | string): NatsSubjects {
  const fleet = `felhom.${fleetId}`;
  return {
    broadcast: `${fleet}.op`,
    ofHost: (hostId) => {
      const host = `${fleet}.host.${hostId}`;
      // Replies of the server come to an inbox; the shared `_INBOX.>` would let every box read every other's.
      return { op: `${host}.op`, ack: `${host}.ack`, return: `${host}.return`, alive: `${host}.alive`, inbox: `_INBOX.${hostId}` };
    },
    everyAck: `${fleet}.host.*.ack`,
    everyReturn: `${fleet}.host.*.return`,
    everyAlive: `${fleet}.host.*.alive`,
    hubInbox: "_INBOX.hub",
  };
}

/** Who said it: the server let nobody else say it there. */
export function hostOfSubject(subject: string): HostId | undefined {
  const [, , , hostId] = subject.split(".");
  return hostId !== undefined && isHostId(hostId) ? hostId : undefined;
}

export const returnsStream = (fleetId: FleetId | string): string => `felhom-${fleetId}-returns`;
