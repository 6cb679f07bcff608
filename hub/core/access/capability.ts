/**
 * Who may do what at the hub. Every route names one capability; a role is a set of them; a credential has one audience. An agent's
 * credential opens only `agent`, an operator's never does. What no line here allows is refused.
 */
import type { AccessRole } from "../../../shared/protocol/api/login.ts";

export const CAPABILITIES = [
  "open",
  "agent",
  "fleet.read",
  "audit.read",
  "host.admit",
  "host.spec",
  "grant.write",
  "bundle.publish",
  "op.write",
  "root.write",
  "token.write",
] as const;
export type Capability = (typeof CAPABILITIES)[number];

const VIEWER: readonly Capability[] = ["fleet.read"];
const OPERATOR: readonly Capability[] = [...VIEWER, "audit.read", "host.admit", "host.spec", "grant.write", "bundle.publish", "op.write"];
const ADMIN: readonly Capability[] = [...OPERATOR, "root.write", "token.write"];

const BY_ROLE = { viewer: VIEWER, operator: OPERATOR, admin: ADMIN } as const satisfies Record<AccessRole, readonly Capability[]>;

/** Who is asking, derived from the credential alone, never from a body, a path or a header that names somebody. */
export type Principal =
  | { readonly is: "nobody" }
  | { readonly is: "agent"; readonly hostId: string }
  | { readonly is: "session"; readonly keyId: string; readonly role: AccessRole; readonly sessionId: string }
  | { readonly is: "token"; readonly tokenId: string; readonly role: AccessRole };

export type OperatorPrincipal = Extract<Principal, { readonly is: "session" | "token" }>;

export type Access = "allowed" | "unauthenticated" | "denied";

/** A credential for the other audience counts as no credential at all. */
export function decideAccess(principal: Principal, needs: Capability): Access {
  if (needs === "open") return "allowed";
  switch (principal.is) {
    case "nobody":
      return "unauthenticated";
    case "agent":
      return needs === "agent" ? "allowed" : "unauthenticated";
    case "session":
    case "token":
      if (needs === "agent") return "unauthenticated";
      return BY_ROLE[principal.role].includes(needs) ? "allowed" : "denied";
  }
}

/** How the audit log names somebody. */
export function actorOf(principal: Principal): string {
  switch (principal.is) {
    case "nobody":
      return "nobody";
    case "agent":
      return `host:${principal.hostId}`;
    case "session":
      return `key:${principal.keyId}`;
    case "token":
      return `token:${principal.tokenId}`;
  }
}
