/**
 * One line for a shell that ends processes and then removes their directory: a hub that is told to end still closes its database, and
 * `rm` beside it would find the directory full again. `exe` is gone as soon as a process has ended, also where nobody collects it.
 */
export function stopLine(pids: readonly number[], dir: string): string {
  const runs = pids.map((pid) => `[ -e /proc/${pid}/exe ]`).join(" || ");
  return `kill ${pids.join(" ")}; while ${runs}; do sleep 0.2; done; rm -r ${dir}`;
}
