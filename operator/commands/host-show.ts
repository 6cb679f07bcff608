import type { Call, Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { hostScreen, hostScreenData } from "../core/fleet/host-screen.ts";
import { lieAbout, verifyHostDetail } from "../core/fleet/verified-host.ts";
import { argText } from "../core/cli/option-values.ts";
import { getHost, listHosts, take } from "../edge/hub-api.ts";
import { openSession } from "../edge/session.ts";

/** Exit 7 when something that the hub gives as signed does not verify: a script must not take it for the host's word. */
export const run: Run = async (call: Call) => {
  const { hub, root, nowMs } = await openSession(call);
  const chosen = chooseHost(await take(listHosts(hub)), argText(call, "host"));
  const detail = await getHost(hub, chosen.host_id);
  const verified = verifyHostDetail(detail, root);
  const shown = { detail, verified, nowMs, terminal: call.terminal, allFacts: call.options["facts"] === true };
  present(call, { kind: "Host", data: hostScreenData(shown), human: () => hostScreen(shown), next: `felhom host timeline ${detail.name}` });
  return chosen.health !== "revoked" && lieAbout(detail, verified) !== undefined ? 7 : 0;
};
