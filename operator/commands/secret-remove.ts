import type { Run } from "../../shared/cli/command.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { argText } from "../core/cli/option-values.ts";
import { removeSecret } from "../core/vault/edit-contents.ts";
import { askPassphrase } from "../edge/passphrase.ts";
import { editVault } from "../edge/vault.ts";
import { Workstation } from "../edge/workstation.ts";

export const run: Run = async (call) => {
  const name = argText(call, "name");
  const { fleetId } = new Workstation(call.world, call.globals.home).fleet(call.globals.context);
  await editVault(call.world, call.globals.home, {
    passphrase: askPassphrase(call),
    edit: async (contents) => {
      const without = removeSecret(contents, fleetId, name);
      if (call.globals.dryRun) return contents;
      await confirm(call, `Remove the secret ${escapeUntrusted(name)}? Its value is gone then.`);
      return without;
    },
  });
  present(call, {
    kind: "Secret",
    data: { name, fleetId, removed: !call.globals.dryRun, dryRun: call.globals.dryRun },
    human: () => (call.globals.dryRun ? `  Would remove ${escapeUntrusted(name)}.` : `  ${mark(call.terminal, "off", `${escapeUntrusted(name)} removed`)}`),
  });
  return 0;
};
