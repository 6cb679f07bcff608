/** /proc/meminfo: name → bytes. */
export function parseMemInfo(text: string): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^([A-Za-z_()0-9]+):\s+(\d+)(?: kB)?$/.exec(line.trim());
    if (match?.[1] !== undefined) found.set(match[1], Number(match[2]) * (line.trimEnd().endsWith("kB") ? 1024 : 1));
  }
  return found;
}
