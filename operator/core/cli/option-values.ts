import type { Call } from "../../../shared/cli/command.ts";

/** Options and arguments by name, in the type that a command wants. The parser made sure of the rest. */
export function optionList(call: Pick<Call, "options">, name: string): readonly string[] {
  const value = call.options[name];
  return typeof value === "string" ? [value] : Array.isArray(value) ? value.map(String) : [];
}

export function optionText(call: Pick<Call, "options">, name: string): string | undefined {
  const value = call.options[name];
  return typeof value === "string" ? value : undefined;
}

export function argText(call: Pick<Call, "args">, name: string): string {
  const value = call.args[name];
  return typeof value === "string" ? value : "";
}

export function argList(call: Pick<Call, "args">, name: string): readonly string[] {
  const value = call.args[name];
  return typeof value === "string" ? [value] : Array.isArray(value) ? value.map(String) : [];
}
