import type { Run } from "../../shared/cli/command.ts";
import { confirmName } from "../../shared/cli/confirm.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { argText } from "../core/cli/option-values.ts";
import { chooseHost } from "../core/fleet/choose-hosts.ts";
import { listHosts, revokeHost, take } from "../edge/hub-api.ts";
import { rememberRevoked } from "../edge/known-hosts.ts";
import { openSession } from "../edge/session.ts";

/** Ends a host's access to the hub. It keeps enforcing what it has and says so; the next publish seals no secret for it. */
export const run: Run = async (call) => {
  const { hub, context } = await openSession(call, { roots: "held" });
  const host = chooseHost(await take(listHosts(hub)), argText(call, "host"));
  const data = { id: host.host_id, name: host.name, dryRun: call.globals.dryRun };
  if (call.globals.dryRun) {
    present(call, { kind: "Revocation", data, human: () => `  Would revoke ${escapeUntrusted(host.name)} (${host.host_id})` });
    return 0;
  }
  await confirmName(call, {
    question: `Revoking ${escapeUntrusted(host.name)} (${host.host_id}) can't be undone.\nThe box would have to enroll again, with new keys.`,
    name: host.name,
  });
  // First here: a hub that forgets the revocation must not get this host another secret from this workstation.
  rememberRevoked(call.world, call.globals.home, context.fleetId, host.host_id);
  await revokeHost(hub, host.host_id, call.globals.reason);
  present(call, {
    kind: "Revocation",
    data,
    human: () => `  ${mark(call.terminal, "off", `${escapeUntrusted(host.name)} revoked`)}  it keeps what it has, but gets nothing new`,
    next: "felhom publish, so that the secrets it knew can be replaced",
  });
  return 0;
};
