import { Fault } from "../../../shared/core/fault.ts";
import { isHostId } from "../../../shared/core/ids.ts";
import { didYouMean } from "../cli/did-you-mean.ts";

/** Which host is meant: by id, by exact name. Never by a guess: what follows may revoke it. */
interface Named {
  readonly host_id: string;
  readonly name: string;
}

export function chooseHost<T extends Named>(hosts: readonly T[], asked: string): T {
  const found = hosts.filter((host) => host.host_id === asked || host.name === asked);
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  if (found.length > 1)
    throw new Fault("conflict", `Cannot tell which host is meant: ${found.length} are named ${asked}`, {
      remedy: `Use the id: ${found.map(({ host_id }) => host_id).join(" or ")}.`,
    });
  const guesses = isHostId(asked)
    ? []
    : didYouMean(
        asked,
        hosts.map(({ name }) => name),
      );
  throw new Fault("not_found", `Cannot find the host ${asked}`, {
    remedy: guesses.length > 0 ? `Did you mean ${guesses.join(" or ")}?` : "felhom host list shows every host.",
  });
}

/** Shell-like `*` and `?` over names; a plain word is itself. */
export function matchesGlob(name: string, glob: string): boolean {
  const pattern = glob
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${pattern}$`).test(name);
}

/** `key=value` flags as a map; `key` twice or a form without `=` is refused. */
export function readLabels(flags: readonly string[]): Readonly<Record<string, string>> {
  const labels: Record<string, string> = {};
  for (const flag of flags) {
    const at = flag.indexOf("=");
    const key = flag.slice(0, at);
    if (at <= 0 || key in labels) throw new Fault("bad_request", `Cannot use the label ${flag}: ${at <= 0 ? "it is not KEY=VALUE" : `${key} is given twice`}`);
    labels[key] = flag.slice(at + 1);
  }
  return labels;
}
