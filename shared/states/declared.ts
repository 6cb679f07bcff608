import type { ResourceType } from "./resources/registry.ts";
import { isResourceType, KINDS, RESOURCE_TYPES } from "./resources/registry.ts";
import { nearest } from "./schema-issues.ts";
import type { StateFault } from "./state-fault.ts";
import { FAULTS_MAX, pathText, shown } from "./state-fault.ts";
import type { YamlDocument } from "./yaml/parse-yaml.ts";

/**
 * The entries of one state as they were written, before templates and schemas. An entry is
 * `{ <type>: params, require?, watch?, onFail?, onlyIf?, sensitive? }`; its key is the resource's path or name unless the
 * params say another. TypeScript states may give a list of entries too; then the params name them.
 */
export interface Declared {
  readonly type: ResourceType;
  /** The entry's key; absent in a list. */
  readonly key: string | undefined;
  readonly params: Readonly<Record<string, unknown>>;
  readonly require: readonly string[];
  readonly watch: readonly string[];
  readonly onFail: "continue" | "stop";
  readonly onlyIf: string | undefined;
  readonly sensitive: boolean;
  /** Strings are Liquid: in YAML, never in TypeScript. */
  readonly templated: boolean;
  readonly from: string;
  /** A fault at a place of this entry: `["file", "mode"]`. */
  readonly fault: (path: readonly (string | number)[], message: string, remedy?: string) => Promise<StateFault>;
}

export const REFERENCES_MAX = 1_000;
const FRAME = ["require", "watch", "onFail", "onlyIf", "sensitive"];

/** A complaint about an entry: the line and column are looked up only when it is shown. */
export interface Complaint {
  readonly at: readonly (string | number)[];
  readonly message: string;
  readonly remedy?: string | undefined;
}

export interface DeclaredState {
  readonly entries: readonly Declared[];
  readonly faults: readonly StateFault[];
}

export async function declaredInYaml(document: YamlDocument): Promise<DeclaredState> {
  const whole = document.value ?? {};
  if (!isMap(whole)) return { entries: [], faults: [await document.fault([], "is not a map of entries", "A state maps a path or name to `{ <type>: … }`.")] };
  const from = (key: string) => {
    const line = document.lineOf(key);
    return line === 0 ? document.file : `${document.file}:${line}`;
  };
  return collected(
    Object.entries(whole).map(([key, entry]) => declared(entry, { key, at: [key], templated: true, from: from(key), faultIn: document.fault })),
    document.fault,
  );
}

export async function declaredInTypescript(file: string, entries: unknown): Promise<DeclaredState> {
  const faultIn: YamlDocument["fault"] = async (path, message, remedy) => ({
    file,
    line: 0,
    path: pathText(path),
    message,
    ...(remedy === undefined ? {} : { remedy }),
  });
  const origin = { templated: false, from: file, faultIn };
  const found = Array.isArray(entries)
    ? entries.map((entry, at) => declared(entry, { ...origin, key: undefined, at: [at] }))
    : isMap(entries)
      ? Object.entries(entries).map(([key, entry]) => declared(entry, { ...origin, key, at: [key] }))
      : [{ complaints: [{ at: [], message: `gives ${shown(entries)}, a list or map of entries is wanted` }] }];
  return collected(found, faultIn);
}

interface Malformed {
  readonly complaints: readonly Complaint[];
}

async function collected(found: readonly (Declared | Malformed)[], faultIn: YamlDocument["fault"]): Promise<DeclaredState> {
  const entries: Declared[] = [];
  const faults: StateFault[] = [];
  for (const one of found) {
    if ("type" in one) entries.push(one);
    else for (const { at, message, remedy } of one.complaints) if (faults.length <= FAULTS_MAX) faults.push(await faultIn(at, message, remedy));
  }
  return { entries, faults };
}

interface Origin {
  readonly key: string | undefined;
  readonly at: readonly (string | number)[];
  readonly templated: boolean;
  readonly from: string;
  readonly faultIn: YamlDocument["fault"];
}

function declared(entry: unknown, origin: Origin): Declared | Malformed {
  const complaint = (path: readonly (string | number)[], message: string, remedy?: string): Complaint => ({ at: [...origin.at, ...path], message, remedy });
  if (!isMap(entry)) return { complaints: [complaint([], `is ${shown(entry)}, an entry like { file: … } is wanted`)] };
  const complaints: Complaint[] = [];
  const types = Object.keys(entry).filter((name) => !FRAME.includes(name));
  const type = types[0];
  for (const name of types)
    if (!isResourceType(name))
      complaints.push(complaint([name], `there is no resource type ${shown(name)}`, `${didYouMean(name)}The types are ${RESOURCE_TYPES.join(", ")}.`));
  if (type === undefined) complaints.push(complaint([], "names no resource type", `Write one of ${RESOURCE_TYPES.join(", ")} and its parameters.`));
  if (types.length > 1 && complaints.length === 0)
    complaints.push(
      complaint(
        [types[1] ?? ""],
        `names two resource types, ${types.join(" and ")}`,
        "Give each its own entry: the key may be any name when the parameters say `name` or `path`.",
      ),
    );
  const references = { require: referenceList(entry, "require", complaint, complaints), watch: referenceList(entry, "watch", complaint, complaints) };
  const onFail = entry["onFail"] ?? "continue";
  if (onFail !== "continue" && onFail !== "stop") complaints.push(complaint(["onFail"], `${shown(onFail)} is not one of continue, stop`));
  const onlyIf = entry["onlyIf"];
  if (onlyIf !== undefined && typeof onlyIf !== "string" && typeof onlyIf !== "boolean")
    complaints.push(complaint(["onlyIf"], `${shown(onlyIf)} is not an expression`));
  const sensitive = entry["sensitive"] ?? false;
  if (typeof sensitive !== "boolean") complaints.push(complaint(["sensitive"], `${shown(sensitive)} is not true or false`));
  const params = type === undefined ? {} : (entry[type] ?? {});
  if (type !== undefined && !isMap(params)) complaints.push(complaint([type], `is ${shown(params)}, a map of parameters is wanted`));
  if (complaints.length > 0 || type === undefined || !isResourceType(type) || !isMap(params)) return { complaints };
  if (origin.key === undefined && params[KINDS[type].namedBy] === undefined)
    return { complaints: [complaint([type], `has no ${KINDS[type].namedBy}`, "Entries of a list name themselves; those of a map are named by their key.")] };
  return {
    type,
    key: origin.key,
    params,
    ...references,
    onFail: onFail === "stop" ? "stop" : "continue",
    onlyIf: typeof onlyIf === "string" || typeof onlyIf === "boolean" ? String(onlyIf) : undefined,
    sensitive: sensitive === true,
    templated: origin.templated,
    from: origin.from,
    fault: (path, message, remedy) => origin.faultIn([...origin.at, ...path], message, remedy),
  };
}

function didYouMean(name: string): string {
  const guess = nearest(name, [...RESOURCE_TYPES, ...FRAME]);
  return guess === undefined ? "" : `Did you mean ${guess}? `;
}

type Complain = (path: readonly (string | number)[], message: string, remedy?: string) => Complaint;

function referenceList(entry: Readonly<Record<string, unknown>>, name: "require" | "watch", complaint: Complain, complaints: Complaint[]): readonly string[] {
  const given = entry[name] ?? [];
  const list: readonly unknown[] = typeof given === "string" ? [given] : Array.isArray(given) ? given : [undefined];
  if (list.length > REFERENCES_MAX) complaints.push(complaint([name], `names more than ${REFERENCES_MAX} resources`));
  const texts = list.filter((one) => typeof one === "string");
  if (texts.length !== list.length)
    complaints.push(complaint([name], "is not a list of resource ids", "An id is the type, a slash and the path or name: file//etc/motd, service/nginx."));
  return texts;
}

export const isMap = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
