import type { Call, Run } from "../../shared/cli/command.ts";
import { confirm } from "../../shared/cli/confirm.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { NAME } from "../../shared/core/ids.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { secretsOf, setSecret } from "../core/vault/edit-contents.ts";
import { SECRET_CHARS_MAX } from "../core/vault/vault-file.ts";
import { askPassphrase } from "../edge/passphrase.ts";
import { editVault } from "../edge/vault.ts";
import { Workstation } from "../edge/workstation.ts";

/** A value that `secrets.yaml` names. It comes from a prompt, a file or stdin, never from a flag: flags are seen by every process. */
export const run: Run = async (call) => {
  const name = argText(call, "name");
  if (!NAME.test(name))
    throw new Fault("bad_request", `Cannot use the name ${name} for a secret`, {
      remedy: "Lower-case letters, digits, dots, dashes and underscores, at most 63.",
    });
  const { fleetId } = new Workstation(call.world, call.globals.home).fleet(call.globals.context);
  if (optionText(call, "passphrase-file") === "-" && optionText(call, "from") === "-")
    throw new Fault("bad_request", "Cannot read both the passphrase and the secret from stdin");
  const value = await readValue(call, name);
  if (call.globals.dryRun) {
    present(call, {
      kind: "Secret",
      data: { name, fleetId, characters: value.length, dryRun: true },
      human: () => `  Would set ${name}, ${value.length} characters. Nothing was written: this was a dry run.`,
    });
    return 0;
  }
  let replaced = false;
  await editVault(call.world, call.globals.home, {
    passphrase: askPassphrase(call),
    edit: async (contents) => {
      replaced = Object.hasOwn(secretsOf(contents, fleetId), name);
      if (replaced && secretsOf(contents, fleetId)[name] === value) return contents;
      if (replaced) await confirm(call, `Replace the value of ${name}?`);
      return setSecret(contents, fleetId, name, value);
    },
  });
  present(call, {
    kind: "Secret",
    data: { name, fleetId, replaced },
    human: () => `  ${mark(call.terminal, "good", `${name} ${replaced ? "replaced" : "set"}`)}`,
    next: "felhom publish brings it to the hosts that secrets.yaml names",
  });
  return 0;
};

async function readValue(call: Call, name: string): Promise<string> {
  const from = optionText(call, "from");
  if (from === undefined) {
    if (!call.globals.input || !call.terminal.inIsTty)
      throw new Fault("bad_request", "Cannot ask for the secret: there is no terminal to ask on", { remedy: "Add --from FILE, or --from - for stdin." });
    return checked(await call.terminal.askSecret(`Value of ${name}: `), name);
  }
  const bytesMax = SECRET_CHARS_MAX * 4;
  const bytes =
    from === "-"
      ? await call.terminal.readStdin(bytesMax)
      : call.world.files.read("secret.read", from.startsWith("/") ? from : `${call.cwd}/${from}`, { bytesMax, follow: true });
  try {
    const text = fromUtf8(bytes);
    return checked(call.options["keep-newline"] === true ? text : text.replace(/\r?\n$/, ""), name);
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    throw new Fault("bad_request", `Cannot use the value of ${name}: it is not UTF-8`, {
      cause,
      remedy: "Encode it, with base64 say, and decode it on the box.",
    });
  }
}

function checked(value: string, name: string): string {
  if (value === "") throw new Fault("bad_request", `Cannot set ${name} to nothing`, { remedy: "felhom secret remove takes it away." });
  if (value.length > SECRET_CHARS_MAX) throw new Fault("too_large", `Cannot set ${name}: its value is above ${SECRET_CHARS_MAX} characters`);
  return value;
}
