import type { Call } from "../../../shared/cli/command.ts";
import { argText } from "./option-values.ts";

/** The fleet directory that a command was given, absolute: the argument `dir`, else the current directory. */
export function fleetPath(call: Pick<Call, "args" | "cwd">): string {
  const asked = argText(call, "dir") || ".";
  const absolute = asked.startsWith("/") ? asked : `${call.cwd}/${asked}`;
  const parts: string[] = [];
  for (const part of absolute.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return `/${parts.join("/")}`;
}
