/** Credentials for one connection: a user key that lives as long as its token, and the token that says what it reaches. */
import { base64, utf8 } from "../../../shared/core/bytes.ts";
import type { BusCredentials } from "../../../shared/ports/bus.ts";
import type { World } from "../../../shared/ports/world.ts";
import { natsSubjects } from "../../../shared/protocol/nats-subjects.ts";
import { readBoxKey } from "../../../shared/trust/keys.ts";
import { loadSealedBox } from "../../../shared/trust/sealed-box.ts";
import { userJwt } from "../../core/nats/jwt.ts";
import { nkeyFromSeed } from "../../core/nats/nkey.ts";
import { HOST_MESSAGE_BYTES_MAX, HOST_SUBSCRIPTIONS_MAX, hostPermissions, hubPermissions } from "../../core/nats/permissions.ts";
import { orRefuse } from "../trust/refused.ts";
import type { NatsKeys } from "./keys.ts";

/** As the setting has it by default. A revoked host keeps what it was given until then; the server ends the connection by itself. */
export const HOST_LIFETIME_MS = 3_600_000;
const HUB_LIFETIME_MS = 24 * 3_600_000;

export interface Issued extends BusCredentials {
  readonly inbox: string;
  readonly expiresAtMs: number;
}

export function issueForHost(
  world: Pick<World, "crypto" | "clock">,
  keys: NatsKeys,
  host: { readonly fleetId: string; readonly hostId: string },
  lifetimeMs = HOST_LIFETIME_MS,
): Issued {
  const issuedAtMs = world.clock.wallMs();
  const user = nkeyFromSeed("user", world.crypto.randomBytes(32));
  const expiresAtMs = issuedAtMs + lifetimeMs;
  const jwt = userJwt({
    name: host.hostId,
    user: user.publicText,
    account: keys.account,
    signing: keys.signing,
    ...hostPermissions(host.fleetId, host.hostId),
    limits: { subscriptions: HOST_SUBSCRIPTIONS_MAX, messageBytes: HOST_MESSAGE_BYTES_MAX },
    issuedAtMs,
    expiresAtMs,
  });
  return { jwt, seed: user.seedText, inbox: natsSubjects(host.fleetId).ofHost(host.hostId).inbox, expiresAtMs };
}

export function issueForHub(world: Pick<World, "crypto" | "clock">, keys: NatsKeys, fleetId: string, lifetimeMs = HUB_LIFETIME_MS): Issued {
  const issuedAtMs = world.clock.wallMs();
  const user = nkeyFromSeed("user", world.crypto.randomBytes(32));
  const expiresAtMs = issuedAtMs + lifetimeMs;
  const jwt = userJwt({
    name: "hub",
    user: user.publicText,
    account: keys.account,
    signing: keys.signing,
    ...hubPermissions(fleetId),
    issuedAtMs,
    expiresAtMs,
  });
  return { jwt, seed: user.seedText, inbox: natsSubjects(fleetId).hubInbox, expiresAtMs };
}

/** What only this box can open: `{ jwt, seed, ca? }`. Base64 of a sealed box. */
export async function sealForHost(
  world: Pick<World, "crypto">,
  boxKey: string,
  given: { readonly jwt: string; readonly seed: string; readonly caPem?: string },
): Promise<string> {
  const box = await loadSealedBox();
  const publicKey = orRefuse("box key", readBoxKey(boxKey));
  const { jwt, seed, caPem } = given;
  const plain = utf8(JSON.stringify({ jwt, seed, ...(caPem === undefined ? {} : { ca: caPem }) }));
  return base64(orRefuse("box key", box.seal(plain, publicKey, world.crypto.randomBytes(32))));
}
