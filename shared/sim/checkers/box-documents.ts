/** Reads what an agent holds straight from its disk, for the checkers. */
import type { BoxView } from "./checker.ts";

interface Signed {
  readonly payload: string;
}

export interface BoxDocuments {
  readonly roots: readonly Signed[];
  readonly identity: { readonly cert?: Signed; readonly grant?: Signed; readonly admission?: Signed } | undefined;
  readonly bundle: Signed | undefined;
  readonly candidate: Signed | undefined;
  readonly spec: { readonly generation: number } | undefined;
  readonly floor: { readonly bundle: number; readonly timeMs: number };
}

export function boxDocuments(box: BoxView): BoxDocuments | undefined {
  const rows = box.database()?.all<{ kind: string; body: string }>("check", "SELECT kind, body FROM document") ?? [];
  const found = new Map(rows.map(({ kind, body }) => [kind, JSON.parse(body) as unknown]));
  if (!found.has("roots")) return undefined;
  return {
    roots: found.get("roots") as readonly Signed[],
    identity: found.get("identity") as BoxDocuments["identity"],
    bundle: found.get("bundle") as Signed | undefined,
    candidate: found.get("candidate") as Signed | undefined,
    spec: found.get("spec") as BoxDocuments["spec"],
    floor: (found.get("floor") ?? { bundle: 0, timeMs: 0 }) as BoxDocuments["floor"],
  };
}

export function payloadOf<T>(signed: Signed | undefined): T | undefined {
  return signed === undefined ? undefined : (JSON.parse(Buffer.from(signed.payload, "base64").toString("utf8")) as T);
}
