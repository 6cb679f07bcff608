/** A box holds and enforces only what an operator really signed: each document byte for byte, and files with contents of a signed bundle. */
import { boxDocuments, payloadOf } from "./box-documents.ts";
import type { Checker } from "./checker.ts";

export function onlyWhatWasSigned(): Checker {
  return {
    name: "only-what-was-signed",
    afterBox: ({ truth }, box, report) => {
      const held = boxDocuments(box);
      if (held !== undefined) {
        held.roots.forEach((root, at) => {
          if (truth.roots[at]?.envelope.payload !== root.payload) report(`${box.machine.name}: root ${at + 1} is not one that was signed`);
        });
        for (const [what, signed] of [
          ["bundle", held.bundle],
          ["candidate", held.candidate],
        ] as const) {
          if (signed === undefined) continue;
          const version = payloadOf<{ version: number }>(signed)?.version ?? 0;
          if (truth.bundles.get(version)?.envelope.payload !== signed.payload)
            report(`${box.machine.name}: its ${what}, version ${version}, is not one that was signed`);
        }
        const { cert } = held.identity ?? {};
        const certs = truth.certs.get(box.hostId() ?? "") ?? [];
        if (cert !== undefined && !certs.some(({ envelope }) => envelope.payload === cert.payload))
          report(`${box.machine.name}: its certificate is not one that was signed for it`);
      }
      const motd = box.text("/etc/motd");
      const bundles = [...truth.bundles.values()];
      if (motd !== undefined && !bundles.some((bundle) => bundle.motd === motd))
        report(`${box.machine.name}: /etc/motd says ${JSON.stringify(motd.slice(0, 60))}, which no bundle says`);
      const extra = box.text("/etc/extra");
      if (extra !== undefined && !bundles.some((bundle) => bundle.extra && extra === `extra of ${bundle.motd}`))
        report(`${box.machine.name}: /etc/extra has contents of no bundle`);
    },
  };
}
