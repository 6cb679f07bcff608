/** No process gives itself up but for a disk that fails: everything else is handled. And every stop ends within its bound. */
import { flatten, isFault } from "../../core/fault.ts";
import type { Checker } from "./checker.ts";

const EXCUSED = ["disk_failed", "disk_full", "db_full", "db_damaged"] as const;

export function noUnexpectedFailure(): Checker {
  const told = new Set<unknown>();
  return {
    name: "no-unexpected-failure",
    sometimes: ({ hub, boxes }, report) => {
      for (const { machine, failures, slowStops } of [hub, ...boxes]) {
        for (const failure of failures) {
          if (told.has(failure) || EXCUSED.some((code) => isFault(failure, code))) continue;
          told.add(failure);
          report(`${machine.name} gave itself up: ${flatten(failure)}${failure instanceof Error && !isFault(failure) ? `\n${failure.stack ?? ""}` : ""}`);
        }
        if (slowStops > 0 && !told.has(`${machine.name} stops`)) {
          told.add(`${machine.name} stops`);
          report(`${machine.name} did not stop within its bound`);
        }
      }
    },
  };
}
