import type { Run } from "../../shared/cli/command.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { present } from "../../shared/cli/present.ts";
import { revokeTokenOffline } from "../edge/offline/tokens.ts";
import { existingDataDir, textArgument } from "./place.ts";

export const run: Run = async (call) => {
  const dataDir = await existingDataDir(call);
  const id = textArgument(call, "token");
  if (!call.globals.dryRun) {
    await confirm(call, `Revoke API token ${escapeUntrusted(id)}?`);
    revokeTokenOffline(call.world, dataDir, id);
  }
  present(call, {
    kind: "ApiToken",
    data: { id, revoked: !call.globals.dryRun, dryRun: call.globals.dryRun },
    human: () => `  ${call.globals.dryRun ? "Would revoke" : "Revoked"} ${escapeUntrusted(id)}.`,
  });
  return 0;
};
