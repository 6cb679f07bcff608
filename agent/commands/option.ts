import type { Call } from "../../shared/cli/command.ts";

/** Options and arguments in the type that a command wants; the parser made sure of the rest. */
export function textOption(call: Pick<Call, "options">, name: string): string | undefined {
  const value = call.options[name];
  return typeof value === "string" ? value : undefined;
}

export function listOption(call: Pick<Call, "options">, name: string): readonly string[] {
  const value = call.options[name];
  return typeof value === "string" ? [value] : Array.isArray(value) ? value.map(String) : [];
}

export function textArgument(call: Pick<Call, "args">, name: string): string {
  const value = call.args[name];
  return typeof value === "string" ? value : "";
}

export function listArgument(call: Pick<Call, "args">, name: string): readonly string[] {
  const value = call.args[name];
  return typeof value === "string" ? [value] : Array.isArray(value) ? value.map(String) : [];
}
