import type { Run } from "../../shared/cli/command.ts";
import { confirmName } from "../../shared/cli/confirm.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { hex, utf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { spellPublicKey } from "../core/trust/root-edit.ts";
import { keysOf } from "../core/vault/edit-contents.ts";
import { askPassphrase } from "../edge/passphrase.ts";
import { readVault } from "../edge/vault.ts";

/** The public half, for `trust add` on another workstation; or, asked for by name, the secret seed into a file. */
export const run: Run = async (call) => {
  const { world, globals, terminal } = call;
  const name = argText(call, "name");
  const seedFile = optionText(call, "secret-to");
  const contents = await readVault(world, globals.home, askPassphrase(call));
  const found = keysOf(contents).find((key) => key.name === name);
  if (found === undefined) throw new Fault("not_found", `Cannot find the key ${name} in the vault`, { remedy: "felhom key list shows every one." });
  const data = { name, id: found.key.keyId, publicKey: spellPublicKey(found.key.publicKey) };
  if (seedFile === undefined) {
    present(call, {
      kind: "PublicKey",
      data,
      human: () => data.publicKey,
      next: `felhom trust add ${name} ${data.publicKey} --role ROLE   (on the workstation of an operator who has role root)`,
    });
    return 0;
  }
  const path = seedFile.startsWith("/") ? seedFile : `${call.cwd}/${seedFile}`;
  if (world.files.stat("key.export", path) !== undefined) throw new Fault("file_exists", `Cannot write the secret key to ${path}: a file is already there`);
  if (!globals.dryRun) {
    await confirmName(call, { question: `Whoever reads ${path} can sign as ${name}, without any passphrase.`, name });
    durableWrite(world.files, world.crypto, "key.export", path, utf8(`${hex(found.key.seed)}\n`), { mode: 0o600 });
  }
  present(call, {
    kind: "SecretKeyFile",
    data: { ...data, file: path, dryRun: globals.dryRun },
    human: () =>
      globals.dryRun ? `  Would write the secret key ${name} to ${path}.` : `  ${mark(terminal, "warn", `the secret key ${name} lies open in ${path}`)}`,
  });
  return 0;
};
