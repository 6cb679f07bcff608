import * as z from "zod/mini";
import { described, resourceName } from "./fields.ts";
import type { Kind } from "./kind.ts";

const packageName = z.string().check(z.regex(/^[a-z0-9][a-z0-9+.-]{1,127}(?::[a-z0-9]{1,16})?$/, { message: "is not a Debian package name" }));
const packageVersion = z.string().check(z.regex(/^[0-9][A-Za-z0-9.+:~-]{0,127}$/, { message: "is not a Debian package version" }));

const schema = z
  .strictObject({
    name: described(resourceName, "What this set of packages is called, and the package when `names` is not given. Default: the entry's key."),
    names: z.optional(described(z.array(packageName).check(z.minLength(1), z.maxLength(512)), "The packages; installed or removed in one transaction.")),
    ensure: described(
      z._default(z.enum(["present", "absent", "latest"]), "present"),
      "Present: any version. Latest: the newest that the sources offer. Absent: not installed.",
    ),
    version: z.optional(described(packageVersion, "Exactly this version; for one package.")),
    purge: described(z._default(z.boolean(), false), "With `ensure: absent`: remove configuration files too."),
  })
  .check(
    z.refine((set) => set.names !== undefined || packageName.safeParse(set.name).success, {
      message: "has no `names`, and its name is not a Debian package name",
    }),
    z.refine((set) => set.version === undefined || (set.ensure === "present" && (set.names?.length ?? 1) === 1), {
      message: "has a version, which needs `ensure: present` and one package",
    }),
    z.refine((set) => new Set(set.names).size === (set.names?.length ?? 0), { message: "names a package twice" }),
  );

export type PackageParams = z.infer<typeof schema>;
/** By package name, all that are wanted. `installed` is null when it is not (configuration files alone are not installed); `candidate` null when no source offers it. */
export interface PackageObserved {
  readonly packages: Readonly<Record<string, { readonly installed: string | null; readonly candidate: string | null }>>;
}
export type PackageStep =
  /** One transaction; a version of null is the candidate. `refresh`: read the sources again first. */
  | {
      readonly do: "package.install";
      readonly reason: string;
      readonly packages: readonly { readonly name: string; readonly version: string | null }[];
      readonly refresh: boolean;
    }
  | { readonly do: "package.remove"; readonly reason: string; readonly names: readonly string[]; readonly purge: boolean };

export const packageNames = (wanted: PackageParams): readonly string[] => wanted.names ?? [wanted.name];

function decide(wanted: PackageParams, observed: PackageObserved): readonly PackageStep[] {
  const seen = packageNames(wanted).map((name) => ({
    name,
    installed: null,
    candidate: null,
    ...(Object.hasOwn(observed.packages, name) ? observed.packages[name] : undefined),
  }));
  if (wanted.ensure === "absent") {
    const there = seen.filter(({ installed }) => installed !== null);
    if (there.length === 0) return [];
    return [
      {
        do: "package.remove",
        reason: there.map(({ name, installed }) => `${name} ${installed} is installed`).join("; "),
        names: there.map(({ name }) => name),
        purge: wanted.purge,
      },
    ];
  }
  const reasons: string[] = [];
  const packages: { name: string; version: string | null }[] = [];
  for (const { name, installed, candidate } of seen) {
    const reason = whyInstall(wanted, name, installed, candidate);
    if (reason === undefined) continue;
    reasons.push(reason);
    packages.push({ name, version: wanted.version ?? null });
  }
  if (packages.length === 0) return [];
  return [
    { do: "package.install", reason: reasons.join("; "), packages, refresh: seen.some(({ candidate }) => candidate === null) || wanted.version !== undefined },
  ];
}

function whyInstall(wanted: PackageParams, name: string, installed: string | null, candidate: string | null): string | undefined {
  if (installed === null) return `${name} is not installed`;
  if (wanted.version !== undefined) return installed === wanted.version ? undefined : `${name} is ${installed}, ${wanted.version} is wanted`;
  if (wanted.ensure === "latest" && candidate !== null && candidate !== installed) return `${name} is ${installed}, ${candidate} is the latest`;
  return undefined;
}

export const packageKind: Kind<typeof schema, PackageParams, PackageObserved, PackageStep> = {
  type: "package",
  summary: "Packages of the system's package manager (apt).",
  namedBy: "name",
  schema,
  example: "base-tools:\n  package:\n    names: [curl, htop, vim-tiny]\n",
  decide,
};
