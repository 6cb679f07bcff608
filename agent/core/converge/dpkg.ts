/**
 * `dpkg-query --show` lines `package \t architecture \t status \t version`. Only `installed` counts: config-files,
 * half-installed and the like are not. A name may carry an architecture (`libc6:i386`).
 */
export function parseDpkgQuery(text: string, names: readonly string[]): ReadonlyMap<string, string> {
  const wanted = new Set(names);
  const found = new Map<string, string>();
  for (const line of text.split("\n")) {
    const [name, architecture, status, version] = line.split("\t");
    if (name === undefined || status !== "installed" || version === undefined) continue;
    for (const key of [name, `${name}:${architecture}`]) if (wanted.has(key) && !found.has(key)) found.set(key, version);
  }
  return found;
}

/** `apt-cache policy`: name → candidate. `(none)` and packages it does not list have none. */
export function parsePolicy(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  let name = "";
  for (const line of text.split("\n")) {
    const header = /^(\S+):$/.exec(line)?.[1];
    if (header !== undefined) name = header;
    const candidate = /^ {2}Candidate: (\S+)$/.exec(line)?.[1];
    if (candidate !== undefined && candidate !== "(none)" && name !== "") found.set(name, candidate);
  }
  return found;
}
