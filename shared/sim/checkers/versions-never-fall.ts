/** Versions on a box only grow: root, certificate, bundle, spec and the floors beneath them, across every crash and whatever a hub sends. */
import { boxDocuments, payloadOf } from "./box-documents.ts";
import type { Checker } from "./checker.ts";

export function versionsNeverFall(): Checker {
  const seen = new Map<string, Record<string, number>>();
  return {
    name: "versions-never-fall",
    afterBox: (_view, box, report) => {
      const held = boxDocuments(box);
      if (held === undefined) return;
      const now: Record<string, number> = {
        root: held.roots.length,
        cert: payloadOf<{ serial: number }>(held.identity?.cert)?.serial ?? 0,
        bundle: payloadOf<{ version: number }>(held.bundle)?.version ?? 0,
        spec: held.spec?.generation ?? 0,
        "bundle floor": held.floor.bundle,
        "time floor": held.floor.timeMs,
      };
      const before = seen.get(box.machine.name) ?? {};
      for (const [what, version] of Object.entries(now)) {
        if (version < (before[what] ?? 0)) report(`${box.machine.name}: its ${what} fell from ${before[what]} to ${version}`);
      }
      seen.set(box.machine.name, now);
    },
  };
}
