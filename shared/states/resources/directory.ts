import * as z from "zod/mini";
import { absolutePath, described, mode, modeBits, oneLine, presence, principal } from "./fields.ts";
import type { ObservedOwner, Principal } from "./fields.ts";
import { attributeChanges } from "./file.ts";
import { refuseStep } from "./kind.ts";
import type { Kind, Refuse } from "./kind.ts";

const schema = z
  .strictObject({
    path: described(absolutePath, "Absolute path. Default: the entry's key."),
    ensure: described(
      z._default(presence, "present"),
      "Whether the directory is there. Absent removes it when it is empty, or with `purge: true` with all that is in it.",
    ),
    mode: z.optional(described(mode, 'Permissions, octal, in quotes. Unset: a new directory gets "0755", an old one keeps its own.')),
    owner: z.optional(described(principal, "Owning user, by name or number. Unset: not managed.")),
    group: z.optional(described(principal, "Owning group, by name or number. Unset: not managed.")),
    parents: described(z._default(z.boolean(), false), "Make missing parent directories (mode 0755)."),
    purge: described(
      z._default(z.boolean(), false),
      "Remove what is in the directory and is not managed by a resource. It never leaves the directory and follows no links.",
    ),
    keep: described(z._default(z.array(oneLine(255)).check(z.maxLength(256)), []), "Names in the directory that a purge leaves alone."),
  })
  .check(
    z.refine((directory) => !directory.purge || directory.path.split("/").length > 2, {
      message: "purges a directory at the root of the system, which is never what is meant",
    }),
  );

export type DirectoryParams = z.infer<typeof schema>;
/** After rendering: `managed` are the names right below the directory that resources of the same host manage. */
export type DirectoryWanted = DirectoryParams & { readonly managed: readonly string[] };

export type DirectoryObserved =
  | { readonly is: "absent" }
  /** `entries` are needed only with `purge` or `ensure: absent`; sorted names. */
  | ({ readonly is: "directory"; readonly mode: number; readonly entries: readonly string[] } & ObservedOwner)
  | { readonly is: "file" | "symlink" | "other" };

export type DirectoryStep =
  | {
      readonly do: "directory.make";
      readonly reason: string;
      readonly path: string;
      readonly mode: number;
      readonly owner: Principal | undefined;
      readonly group: Principal | undefined;
      readonly parents: boolean;
    }
  | {
      readonly do: "directory.attributes";
      readonly reason: string;
      readonly path: string;
      readonly mode: number | undefined;
      readonly owner: Principal | undefined;
      readonly group: Principal | undefined;
    }
  /** Removes these names below `path`, each with all that is in it; follows no link and crosses no mount. */
  | { readonly do: "directory.purge"; readonly reason: string; readonly path: string; readonly names: readonly string[] }
  /** Removes the empty directory. */
  | { readonly do: "directory.remove"; readonly reason: string; readonly path: string }
  | Refuse;

const DIRECTORY_MODE_DEFAULT = 0o755;
const NAMES_SHOWN_MAX = 5;

function decide(wanted: DirectoryWanted, observed: DirectoryObserved): readonly DirectoryStep[] {
  if (wanted.ensure === "absent") return decideAbsent(wanted, observed);
  const { path } = wanted;
  switch (observed.is) {
    case "absent":
      return [
        {
          do: "directory.make",
          reason: "it is absent",
          path,
          mode: wanted.mode === undefined ? DIRECTORY_MODE_DEFAULT : modeBits(wanted.mode),
          owner: wanted.owner,
          group: wanted.group,
          parents: wanted.parents,
        },
      ];
    case "directory": {
      const steps: DirectoryStep[] = [];
      const changes = attributeChanges(wanted, observed);
      if (changes !== undefined) steps.push({ do: "directory.attributes", path, ...changes });
      const surplus = wanted.purge ? surplusOf(wanted, observed.entries) : [];
      if (surplus.length > 0) steps.push({ do: "directory.purge", reason: `not managed: ${listed(surplus)}`, path, names: surplus });
      return steps;
    }
    default:
      return [refuseStep(`a ${observed.is === "other" ? "device, pipe or socket" : observed.is} is in the place of the directory`)];
  }
}

function decideAbsent(wanted: DirectoryWanted, observed: DirectoryObserved): readonly DirectoryStep[] {
  if (observed.is === "absent") return [];
  if (observed.is !== "directory")
    return [refuseStep(`a ${observed.is === "other" ? "device, pipe or socket" : observed.is} is in the place of the directory that is to be absent`)];
  const remove: DirectoryStep = { do: "directory.remove", reason: "it is there and is to be absent", path: wanted.path };
  if (observed.entries.length === 0) return [remove];
  const surplus = surplusOf(wanted, observed.entries);
  if (!wanted.purge) return [refuseStep(`it is not empty (${listed(observed.entries)}) and purge is off`)];
  if (surplus.length < observed.entries.length)
    return [refuseStep(`it is to be absent and holds what is to be kept: ${listed(observed.entries.filter((name) => !surplus.includes(name)))}`)];
  return [{ do: "directory.purge", reason: `it is to be absent and holds ${listed(surplus)}`, path: wanted.path, names: surplus }, remove];
}

function surplusOf(wanted: DirectoryWanted, entries: readonly string[]): readonly string[] {
  const kept = new Set([...wanted.managed, ...wanted.keep]);
  return entries.filter((name) => !kept.has(name));
}

function listed(names: readonly string[]): string {
  const rest = names.length - NAMES_SHOWN_MAX;
  return names.slice(0, NAMES_SHOWN_MAX).join(", ") + (rest > 0 ? ` and ${rest} more` : "");
}

export const directory: Kind<typeof schema, DirectoryWanted, DirectoryObserved, DirectoryStep> = {
  type: "directory",
  summary: "A directory: its mode and owner, and nothing in it but what is managed, when asked.",
  namedBy: "path",
  schema,
  example: '/etc/nginx/conf.d:\n  directory:\n    mode: "0755"\n    purge: true\n    keep: [local.conf]\n',
  decide,
};
