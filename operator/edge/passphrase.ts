/** Where a passphrase comes from: the terminal, or `--passphrase-file`. Never a flag's value, never the environment (cli.md rule 6). */
import type { Call } from "../../shared/cli/command.ts";
import { fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { type Passphrase, PASSPHRASE_TRIES_MAX } from "./vault.ts";

const PASSPHRASE_BYTES_MAX = 4_096;
export const PASSPHRASE_CHARS_MIN = 8;

/** The option that `table/passphrase-option.ts` describes. */
const OPTION = "passphrase-file";

/** For `readVault` and `editVault`. */
export function askPassphrase(call: Pick<Call, "options" | "terminal" | "globals" | "world" | "cwd">): Passphrase {
  return async (isNew, wrong) => {
    const file = call.options[OPTION];
    // The file would say the same again.
    if (typeof file === "string" && wrong !== undefined) throw wrong.fault;
    const passphrase = typeof file === "string" ? await fromFile(call, file) : await fromTerminal(call, isNew, wrong?.attempt);
    // An empty line at the prompt of a vault that is there is one more wrong answer.
    if (passphrase === "" && (isNew || typeof file === "string")) throw new Fault("bad_request", "Cannot use an empty passphrase");
    if (isNew && passphrase.length < PASSPHRASE_CHARS_MIN)
      throw new Fault("bad_request", `Cannot use a passphrase of fewer than ${PASSPHRASE_CHARS_MIN} characters`, {
        remedy: "Five or six random words are easy to type and hard to guess.",
      });
    return passphrase;
  };
}

async function fromFile(call: Pick<Call, "terminal" | "world" | "cwd">, file: string): Promise<string> {
  const path = file.startsWith("/") ? file : `${call.cwd}/${file}`;
  const bytes =
    file === "-"
      ? await call.terminal.readStdin(PASSPHRASE_BYTES_MAX)
      : call.world.files.read("vault.passphrase", path, { bytesMax: PASSPHRASE_BYTES_MAX, follow: true });
  return decoded(bytes).replace(/\r?\n$/, "");
}

async function fromTerminal(call: Pick<Call, "terminal" | "globals">, isNew: boolean, attempt = 1): Promise<string> {
  if (!call.globals.input || !call.terminal.inIsTty)
    throw new Fault("bad_request", "Cannot ask for the vault's passphrase: there is no terminal to ask on", { remedy: "Add --passphrase-file FILE." });
  if (!isNew && attempt > 1) return await call.terminal.askSecret(`It did not open. Passphrase of the vault (try ${attempt} of ${PASSPHRASE_TRIES_MAX}): `);
  if (!isNew) return await call.terminal.askSecret("Passphrase of the vault: ");
  const first = await call.terminal.askSecret("A passphrase for the new vault: ");
  const second = await call.terminal.askSecret("The same again: ");
  if (first !== second) throw new Fault("bad_request", "Cannot make the vault: the two passphrases differ", { remedy: "Run the command again." });
  return first;
}

function decoded(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new Fault("bad_request", "Cannot use the passphrase: it is not UTF-8", { cause });
  }
}
