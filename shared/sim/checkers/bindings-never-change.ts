/** A host's keys at the hub are those it enrolled with, for ever, and those that the operator certified. */
import type { Checker } from "./checker.ts";

export function bindingsNeverChange(): Checker {
  const seen = new Map<string, string>();
  return {
    name: "bindings-never-change",
    afterHub: ({ hub, truth }, report) => {
      const hosts =
        hub.database()?.all<{ host_id: string; signing_key: string; box_key: string }>("check", "SELECT host_id, signing_key, box_key FROM hosts") ?? [];
      for (const { host_id, signing_key, box_key } of hosts) {
        const keys = `${signing_key} ${box_key}`;
        const before = seen.get(host_id) ?? keys;
        if (before !== keys) report(`${host_id}: its keys at the hub changed`);
        seen.set(host_id, keys);
        const cert = truth.certs.get(host_id)?.at(-1);
        if (cert !== undefined && `${cert.signingKey} ${cert.boxKey}` !== keys) report(`${host_id}: its keys at the hub are not those of its certificate`);
      }
    },
  };
}
