import { Fault } from "../core/fault.ts";
import type { Call } from "./command.ts";
import { escapeUntrusted } from "./escape.ts";

/**
 * Questions before something happens. The default is always no. `--yes` answers the simple ones; what can't be undone needs the
 * thing's name typed, or given as `--confirm NAME`: `--yes` alone never does that.
 */
type Asking = Pick<Call, "globals" | "terminal" | "options">;

/** Throws `cancelled` when the answer is not yes, `bad_request` when there is nobody to ask. */
export async function confirm(call: Asking, question: string): Promise<void> {
  if (call.globals.yes) return;
  mayAsk(call, "--yes");
  const answer = (await call.terminal.ask(`${question} [y/N] `)).trim().toLowerCase();
  if (answer !== "y" && answer !== "yes") throw new Fault("cancelled", "Cannot go on: not confirmed, nothing was changed");
}

export async function confirmName(call: Asking, asked: { readonly question: string; readonly name: string }): Promise<void> {
  const given = call.options["confirm"];
  if (typeof given === "string") {
    if (given === asked.name) return;
    throw new Fault("bad_request", `Cannot go on: --confirm says ${escapeUntrusted(given)}, but this is about ${escapeUntrusted(asked.name)}`, {
      remedy: "Nothing was changed. Look again at what you want to do.",
    });
  }
  mayAsk(call, `--confirm ${asked.name}`);
  const answer = (await call.terminal.ask(`${asked.question}\nType ${escapeUntrusted(asked.name)} to go on, or nothing to leave: `)).trim();
  if (answer !== asked.name) throw new Fault("cancelled", "Cannot go on: the name was not typed, nothing was changed");
}

function mayAsk(call: Asking, flag: string): void {
  if (call.globals.input && call.terminal.inIsTty) return;
  const because = call.globals.input ? "there is no terminal to ask on" : "--no-input was given";
  throw new Fault("bad_request", `Cannot ask for a confirmation: ${because}`, { remedy: `Add ${flag} if you are sure.` });
}
