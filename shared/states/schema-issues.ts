import type * as z from "zod/mini";
import { shown } from "./state-fault.ts";

/** A schema's complaint in words for an operator. zod/mini carries no texts of its own, which is why they are here. */
export interface Issue {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly remedy?: string;
}

const WITHOUT_TEXT = "Invalid input";
const NAMES: Readonly<Record<string, string>> = {
  string: "a text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a map",
  record: "a map",
  null: "nothing",
};

/** Which keys a map at this place may have. */
export type KeysAt = (path: readonly (string | number)[]) => readonly string[];

export function issuesOf(error: Pick<z.core.$ZodError, "issues">, value: unknown, keysAt: KeysAt = () => []): readonly Issue[] {
  return error.issues.flatMap((issue) => inWords(issue, value, keysAt));
}

function inWords(issue: z.core.$ZodIssue, whole: unknown, keysAt: KeysAt): readonly Issue[] {
  const path = issue.path.map((part) => (typeof part === "symbol" ? String(part) : part));
  const value = valueAt(whole, path);
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(path);
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `there is no parameter ${shown(key)} here`,
      ...(known.length === 0 ? {} : { remedy: keysRemedy(key, known) }),
    }));
  }
  // "x is not a mode", but of a whole entry only what it lacks: the path names it.
  if (issue.message !== WITHOUT_TEXT)
    return [{ path, message: typeof value === "object" && value !== null ? issue.message : `${shown(value)} ${issue.message}` }];
  switch (issue.code) {
    case "invalid_type": {
      if (value === undefined) return [{ path, message: "is missing" }];
      const wanted = NAMES[issue.expected] ?? issue.expected;
      return [
        {
          path,
          message: `${shown(value)} is not ${wanted}`,
          ...(issue.expected === "string" && typeof value !== "object" ? { remedy: "Put it in quotes." } : {}),
        },
      ];
    }
    case "invalid_value":
      return [
        {
          path,
          message: `${value === undefined ? "is missing, it is" : `${shown(value)} is not`} one of ${issue.values.map((one) => String(one)).join(", ")}`,
        },
      ];
    case "too_big":
      return [
        {
          path,
          message: issue.origin === "number" || issue.origin === "int" ? `${shown(value)} is above ${issue.maximum}` : `is longer than ${issue.maximum}`,
        },
      ];
    case "too_small":
      return [
        {
          path,
          message:
            issue.origin === "number" || issue.origin === "int"
              ? `${shown(value)} is below ${issue.minimum}`
              : issue.minimum === 1
                ? "is empty"
                : `is shorter than ${issue.minimum}`,
        },
      ];
    case "invalid_union":
      return [{ path, message: `${shown(value)} has none of the forms that are taken here` }];
    case "invalid_key":
      return [{ path, message: `the key ${shown(path.at(-1))} has letters that are not taken here` }];
    default:
      return [{ path, message: `${shown(value)} has not the form that is taken here` }];
  }
}

export function keysRemedy(key: string, known: readonly string[]): string {
  const guess = nearest(key, known);
  return `${guess === undefined ? "" : `Did you mean ${guess}? `}There are ${known.join(", ")}.`;
}

export function valueAt(whole: unknown, path: readonly (string | number)[]): unknown {
  let value = whole;
  for (const part of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return value;
}

/** The nearest of `known` when a slip of one or two letters explains it. */
export function nearest(text: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(3, Math.ceil(text.length / 3) + 1);
  for (const candidate of known) {
    if (Math.abs(candidate.length - text.length) >= bestDistance) continue;
    const distance = editDistance(text, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length] ?? 0;
}
