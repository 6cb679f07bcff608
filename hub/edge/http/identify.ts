/** From a request to who asks: by its bearer credential alone. A box's credential opens nothing of operators, and the reverse. */
import type { Principal } from "../../core/access/capability.ts";
import { revokedFault } from "../sync/revoked.ts";
import { findOperator, isOperatorSecret } from "../access/find-operator.ts";
import type { Hub } from "../hub.ts";
import { HOST_CREDENTIAL_CHARS, HOST_CREDENTIAL_PREFIX, hostCredentialHash } from "../store/host-credentials.ts";

const BEARER = /^Bearer ([\x21-\x7e]{1,128})$/;

export async function identify(hub: Hub, request: Request): Promise<Principal> {
  const secret = BEARER.exec(request.headers.get("authorization") ?? "")?.[1];
  if (secret === undefined) return { is: "nobody" };
  if (isOperatorSecret(secret)) return findOperator(hub, secret);
  if (!secret.startsWith(HOST_CREDENTIAL_PREFIX) || secret.length !== HOST_CREDENTIAL_CHARS) return { is: "nobody" };
  const credential = hub.hosts.byCredential(hostCredentialHash(secret));
  if (credential === undefined) return { is: "nobody" };
  if (credential.entry.revoked) throw revokedFault();
  return { is: "agent", hostId: credential.entry.hostId };
}
