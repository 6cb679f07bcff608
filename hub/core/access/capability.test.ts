import { expect, test } from "bun:test";
import { type Access, CAPABILITIES, type Capability, decideAccess, type Principal } from "./capability.ts";

const session = (role: "viewer" | "operator" | "admin"): Principal => ({ is: "session", keyId: "k", role, sessionId: "s" });
const token = (role: "viewer" | "operator" | "admin"): Principal => ({ is: "token", tokenId: "t", role });

/** open, agent, fleet.read, audit.read, host.admit, host.spec, grant.write, bundle.publish, op.write, root.write, token.write: a(llowed) u(nauthenticated) d(enied). */
const TABLE: readonly (readonly [string, Principal, string])[] = [
  ["nobody", { is: "nobody" }, "auuuuuuuuuu"],
  ["an agent", { is: "agent", hostId: "h-aaaaaaaaaaaaaaaa" }, "aauuuuuuuuu"],
  ["a viewer's token", token("viewer"), "auadddddddd"],
  ["an operator's token", token("operator"), "auaaaaaaadd"],
  ["an admin's token", token("admin"), "auaaaaaaaaa"],
  ["a session", session("admin"), "auaaaaaaaaa"],
];
const LETTERS: Readonly<Record<string, Access>> = { a: "allowed", u: "unauthenticated", d: "denied" };

for (const [who, principal, row] of TABLE) {
  test(`${who} opens exactly its row of the table`, () => {
    expect(row.length).toBe(CAPABILITIES.length);
    const seen: Partial<Record<Capability, Access>> = {};
    const wanted: Partial<Record<Capability, Access | undefined>> = {};
    CAPABILITIES.forEach((capability, at) => {
      seen[capability] = decideAccess(principal, capability);
      wanted[capability] = LETTERS[row.charAt(at)];
    });
    expect(seen).toEqual(wanted as typeof seen);
  });
}
