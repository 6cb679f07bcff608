/** Shell-like `KEY="value"` lines (os-release(5)); comments and anything that is not an assignment are left out. */
export function parseAssignments(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line.trim());
    if (match?.[1] !== undefined && match[2] !== undefined) found.set(match[1], unquote(match[2]));
  }
  return found;
}

function unquote(value: string): string {
  const quoted = /^(["'])(.*)\1$/.exec(value);
  return (quoted?.[2] ?? value).replace(/\\(["'$`\\])/g, "$1");
}

export interface OsFacts {
  readonly id: string;
  readonly family: string;
  readonly name: string;
  readonly version: string;
  readonly major: number;
  readonly codename: string;
}

const FAMILIES: Readonly<Record<string, string>> = {
  debian: "debian",
  ubuntu: "debian",
  raspbian: "debian",
  alpine: "alpine",
  fedora: "redhat",
  rhel: "redhat",
  centos: "redhat",
  arch: "arch",
  suse: "suse",
};

/** `family` is the first of ID and ID_LIKE that names a known one, else the id itself: `os.family == 'debian'` holds on Ubuntu and Proxmox too. */
export function osFacts(release: ReadonlyMap<string, string>): OsFacts {
  const id = release.get("ID") ?? "unknown";
  const like = (release.get("ID_LIKE") ?? "").split(/\s+/).filter((word) => word !== "");
  const family = [id, ...like].map((word) => FAMILIES[word]).find((known) => known !== undefined) ?? id;
  const version = release.get("VERSION_ID") ?? "";
  const major = /^\d+/.exec(version)?.[0];
  return {
    id,
    family,
    name: release.get("PRETTY_NAME") ?? id,
    version,
    major: major === undefined ? 0 : Number(major),
    codename: release.get("VERSION_CODENAME") ?? "",
  };
}
