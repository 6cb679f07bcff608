/** What to put before an argv so that it runs where no network is; undefined where neither root nor a user namespace can make such a place. */
export function noNetwork(): readonly string[] | undefined {
  if (Bun.which("unshare") === null) return undefined;
  return WAYS.find((way) => Bun.spawnSync([...way, "true"], { stderr: "ignore" }).exitCode === 0);
}

const WAYS = [
  ["unshare", "--net"],
  ["unshare", "--user", "--map-root-user", "--net"],
] as const;
