/** The tree of the bundle in force is the manifest's whole set: nothing missing, nothing left over from an older one. */
import { sha256Hex } from "../../core/sha256.ts";
import { utf8 } from "../../core/bytes.ts";
import { boxDocuments, payloadOf } from "./box-documents.ts";
import type { Checker } from "./checker.ts";

export function treesAreExact(): Checker {
  return {
    name: "trees-are-exact",
    settled: ({ boxes }) =>
      boxes.flatMap((box) => {
        const bundle = payloadOf<{ version: number; files: readonly { path: string; sha256: string }[] }>(boxDocuments(box)?.bundle);
        if (bundle === undefined) return [];
        const base = `${box.dataDir}/bundle/${bundle.version}`;
        const found = [...box.machine.disk.paths()]
          .filter(([path, node]) => path.startsWith(`${base}/`) && node.kind === "file")
          .map(([path]) => path.slice(base.length + 1));
        const wanted = bundle.files.map(({ path }) => path).sort();
        if (found.sort().join("\n") !== wanted.join("\n"))
          return [`${box.machine.name}: the tree of bundle ${bundle.version} holds ${found.join(", ")} instead of ${wanted.join(", ")}`];
        return bundle.files.flatMap(({ path, sha256 }) =>
          sha256Hex(utf8(box.text(`${base}/${path}`) ?? "")) === sha256 ? [] : [`${box.machine.name}: ${path} of bundle ${bundle.version} has other bytes`],
        );
      }),
  };
}
