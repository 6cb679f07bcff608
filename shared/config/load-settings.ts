import type * as z from "zod/mini";
import { Fault } from "../core/fault.ts";
import { type Fields, flagOf, type Origin, type Setting, type SettingsOf, variableOf, yamlKeyOf } from "./field.ts";

/**
 * Layers: flag > environment > file > default. Unknown flags and file keys are refused by name, with the nearest known one;
 * unknown FELHOM_ variables are not ours to judge. Pure: the caller reads the file.
 */
export interface Layers {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Parsed settings file, when there is one. */
  readonly file?: { readonly path: string; readonly values: unknown; readonly lineOf?: (key: string) => number | undefined };
}

export interface Loaded<F extends Fields> {
  readonly settings: SettingsOf<F>;
  readonly origins: readonly Setting[];
}

export function loadSettings<F extends Fields>(fields: F, layers: Layers): Loaded<F> {
  const flags = readFlags(fields, layers.argv);
  const file = readFile(fields, layers.file);
  const origins = Object.entries(fields).map(([key, { schema, default: initial, secret }]): Setting => {
    const [raw, origin] = pick(key, initial, flags, layers, file);
    const parsed = schema.safeParse(raw);
    if (!parsed.success) throw badValue(key, origin, parsed.error, layers);
    return { key, value: parsed.data, origin, secret: secret === true };
  });
  return { settings: Object.fromEntries(origins.map(({ key, value }) => [key, value])) as SettingsOf<F>, origins };
}

function pick(key: string, initial: unknown, flags: ReadonlyMap<string, string>, layers: Layers, file: ReadonlyMap<string, unknown>): [unknown, Origin] {
  const flag = flags.get(key);
  if (flag !== undefined) return [fromText(flag, initial), { from: "flag", flag: flagOf(key) }];
  const variable = layers.env[variableOf(key)];
  if (variable !== undefined) return [fromText(variable, initial), { from: "env", variable: variableOf(key) }];
  if (file.has(key)) return [file.get(key), { from: "file", path: layers.file?.path ?? "" }];
  return [initial, { from: "default" }];
}

/** Text that does not read as the default's type stays text, so that the schema names the problem. */
function fromText(text: string, like: unknown): unknown {
  if (typeof like === "number") return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (typeof like === "boolean") return text === "true" ? true : text === "false" ? false : text;
  if (Array.isArray(like)) return text === "" ? [] : text.split(",").map((part) => part.trim());
  return text;
}

function readFlags(fields: Fields, argv: readonly string[]): ReadonlyMap<string, string> {
  const known = new Map(Object.keys(fields).map((key) => [flagOf(key), key]));
  const found = new Map<string, string>();
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? "";
    const [flag, inline] = word.includes("=") ? [word.slice(0, word.indexOf("=")), word.slice(word.indexOf("=") + 1)] : [word, undefined];
    const key = known.get(flag);
    if (key === undefined) throw unknown("flag", flag, [...known.keys()]);
    const isSwitch = typeof fields[key]?.default === "boolean";
    const value = inline ?? (isSwitch && !/^(true|false)$/.test(argv[at + 1] ?? "") ? "true" : argv[++at]);
    if (value === undefined) throw new Fault("bad_settings", `Cannot read the command line: ${flag} needs a value`);
    found.set(key, value);
  }
  return found;
}

function readFile(fields: Fields, file: Layers["file"]): ReadonlyMap<string, unknown> {
  if (file === undefined || file.values === null || file.values === undefined) return new Map();
  if (typeof file.values !== "object" || Array.isArray(file.values))
    throw new Fault("bad_settings", `Cannot read ${file.path}: the settings are not a map of keys`);
  const known = new Map(Object.keys(fields).map((key) => [yamlKeyOf(key), key]));
  const found = new Map<string, unknown>();
  for (const [yamlKey, value] of Object.entries(file.values)) {
    const key = known.get(yamlKey);
    const line = file.lineOf?.(yamlKey);
    if (key === undefined) throw unknown("setting", `${file.path}${line === undefined ? "" : `:${line}`}: ${yamlKey}`, [...known.keys()], yamlKey);
    found.set(key, value);
  }
  return found;
}

function badValue(key: string, origin: Origin, error: z.core.$ZodError, layers: Layers): Fault {
  const line = origin.from === "file" ? layers.file?.lineOf?.(yamlKeyOf(key)) : undefined;
  const where =
    origin.from === "flag"
      ? origin.flag
      : origin.from === "env"
        ? origin.variable
        : origin.from === "file"
          ? `${origin.path}${line === undefined ? "" : `:${line}`}: ${yamlKeyOf(key)}`
          : yamlKeyOf(key);
  return new Fault("bad_settings", `Cannot use the value of ${where}: ${describe(error)}`, {
    facts: { key },
    remedy: "felhom config print shows every setting, its value and where it comes from",
  });
}

/** What is wrong, in words, from zod's issue: mini carries no locale, which saves every role its memory. */
function describe(error: z.core.$ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return "not allowed";
  switch (issue.code) {
    case "invalid_type":
      return `expected ${issue.expected}`;
    case "too_small":
      return `at least ${issue.minimum}`;
    case "too_big":
      return `at most ${issue.maximum}`;
    case "invalid_value":
      return `one of ${issue.values.join(", ")}`;
    case "invalid_format":
      return "not of the form that is asked for";
    default:
      return issue.message === "Invalid input" ? "not allowed" : issue.message;
  }
}

function unknown(what: string, shown: string, known: readonly string[], given: string = shown): Fault {
  const near = [...known].sort((a, b) => distance(a, given) - distance(b, given))[0];
  return new Fault("bad_settings", `Cannot use an unknown ${what}: ${shown}`, near === undefined ? {} : { remedy: `did you mean ${near}?` });
}

/** Levenshtein's, two rows. */
export function distance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      row.push(Math.min((row[j - 1] ?? 0) + 1, (above[j] ?? 0) + 1, (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    above = row;
  }
  return above[b.length] ?? 0;
}
