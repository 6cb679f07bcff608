import { isoTime } from "../../shared/cli/age.ts";
import type { Run } from "../../shared/cli/command.ts";
import { present } from "../../shared/cli/present.ts";
import { argText } from "../core/cli/option-values.ts";
import { bundleText } from "../core/fleet/bundle-text.ts";
import { openSession } from "../edge/session.ts";
import { bundleVersion, verifiedBundle } from "../edge/verified-bundle.ts";

export const run: Run = async (call) => {
  const session = await openSession(call);
  const { payload, detail } = await verifiedBundle(session, await bundleVersion(session, argText(call, "version") || "latest"));
  const signers = detail.envelope.signatures.map(({ keyid }) => session.root.payload.keys[keyid]?.label ?? keyid);
  present(call, {
    kind: "Bundle",
    data: {
      version: payload.version,
      verified: true,
      fleetId: payload.fleet_id,
      createdAt: isoTime(payload.created_at),
      expiresAt: isoTime(payload.expires_at),
      message: payload.message,
      signers: detail.envelope.signatures.map(({ keyid }) => keyid),
      files: payload.files,
      secretsFor: Object.keys(payload.secrets),
      hostsInForce: detail.hosts_in_force,
    },
    human: () => bundleText(payload, { signers, hostsInForce: detail.hosts_in_force, nowMs: session.nowMs, paper: call.terminal }),
    next: payload.version > 1 ? `felhom bundle diff ${payload.version - 1} ${payload.version}` : undefined,
  });
  return 0;
};
