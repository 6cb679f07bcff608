import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { argText } from "../core/cli/option-values.ts";
import { diffBundles, diffData, diffText, isSame, NO_BUNDLE } from "../core/fleet/bundle-diff.ts";
import { listBundles, listHosts, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";
import { bundleVersion, verifiedBundle } from "../edge/verified-bundle.ts";

/** Two manifests, both verified. Without versions: the newest against the one before it. `--exit-code` gives 3 when they differ. */
export const run: Run = async (call) => {
  const session = await openSession(call);
  const [from, to] = await versions();
  const after = (await verifiedBundle(session, to)).payload;
  const before = from === 0 ? NO_BUNDLE : (await verifiedBundle(session, from)).payload;
  const diff = diffBundles(before, after);
  const names =
    diff.secretsGained.length + diff.secretsLost.length > 0
      ? new Map((await take(listHosts(session.hub))).map((host) => [host.host_id as string, host.name]))
      : new Map<string, string>();
  present(call, {
    kind: "BundleDiff",
    data: diffData(diff),
    human: () =>
      `  bundle ${from === 0 ? "(none)" : from} ${call.terminal.unicode ? "→" : "->"} ${to}\n${diffText(diff, call.terminal, (id) => names.get(id) ?? id)}`,
  });
  return call.options["exit-code"] === true && !isSame(diff) ? 3 : 0;

  async function versions(): Promise<readonly [number, number]> {
    const [a, b] = [argText(call, "from"), argText(call, "to")];
    if (b !== "") return [a === "0" ? 0 : await bundleVersion(session, a), await bundleVersion(session, b)];
    const newest = await take(listBundles(session.hub), 2);
    const latest = newest[0]?.version ?? (await bundleVersion(session, "latest"));
    return a === "" ? [newest[1]?.version ?? 0, latest] : [await bundleVersion(session, a), latest];
  }
};
