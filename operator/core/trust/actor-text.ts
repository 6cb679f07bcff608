import type { RootPayload } from "../../../shared/trust/payloads.ts";

/**
 * Who did something, as the hub tells it (`key:<id>`, `token:<id>`, `host:<id>`, `hub`), with the name that the root has for a key.
 * Untrusted text: whoever shows it escapes it.
 */
export function actorText(actor: string, root: Pick<RootPayload, "keys">): string {
  const id = actor.startsWith("key:") ? actor.slice("key:".length) : "";
  const label = Object.hasOwn(root.keys, id) ? root.keys[id]?.label : undefined;
  return label === undefined ? actor : `${label} (${id.slice(0, 8)})`;
}

/** What a drafter wrote beside an op. It is under no signature, so that is said before it, where a long note can't push it away. */
export function noteText(note: string): string {
  return `so says its drafter, unsigned: ${JSON.stringify(note)}`;
}
