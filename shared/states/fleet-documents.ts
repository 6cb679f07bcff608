import * as z from "zod/mini";
import { NAME } from "../core/ids.ts";
import { window } from "../protocol/spec.ts";
import { issuesOf, nearest } from "./schema-issues.ts";
import type { Checked } from "./state-fault.ts";
import { faulty, good } from "./state-fault.ts";
import type { YamlDocument } from "./yaml/parse-yaml.ts";
import { parseYaml } from "./yaml/parse-yaml.ts";

/** fleet.yaml, targets.yaml and secrets.yaml: what they may say, and reading them out of a fleet directory held in memory. */

/** Text files of a fleet directory by path: everything that rendering reads. */
export type Sources = Readonly<Record<string, string>>;

export const LEVELS_DEFAULT = ["common", "site/{label.site}", "role/{label.role}", "hosts/{host.name}"] as const;
export const STATE_NAME = /^[a-z0-9][a-z0-9_-]{0,62}(?:\/[a-z0-9][a-z0-9_-]{0,62}){0,7}$/;
/** `{label.site}`, `{host.name}`, `{fact.os.family}` between plain path letters. */
const LEVEL = /^(?:[A-Za-z0-9_.+-]|\/|\{(?:label\.[a-z0-9._-]{1,63}|fact\.[A-Za-z0-9_.-]{1,128}|host\.name)\}){1,256}$/;

const describe = z.describe;

export const fleetSchema = z.strictObject({
  name: z.string().check(z.regex(NAME, { message: "is not a fleet name (lower-case letters, digits, - _ and .)" }), describe("The fleet's name.")),
  description: z.optional(z.string().check(z.maxLength(1_000), describe("For people."))),
  levels: z._default(
    z
      .array(z.string().check(z.regex(LEVEL, { message: "is not a level like common or site/{label.site}" })))
      .check(
        z.maxLength(32),
        describe(
          "Settings files from far to near, below settings/ and without .yaml. A level whose label or fact a host has not, or whose file is not there, is passed over.",
        ),
      ),
    [...LEVELS_DEFAULT],
  ),
  defaults: z._default(
    z
      .strictObject({
        mode: z.optional(z.enum(["enforce", "monitor"]).check(describe("monitor: every host looks and reports and changes nothing, whatever its spec says."))),
        interval: z.optional(z.int().check(z.minimum(60), z.maximum(86_400), describe("Seconds between two runs, where a host's spec names none."))),
        fetchWindows: z.optional(z.array(window).check(z.maxLength(32), describe("When hosts fetch bundles, where a host's spec names none."))),
        applyWindows: z.optional(z.array(window).check(z.maxLength(32), describe("When hosts change anything, where a host's spec names none."))),
      })
      .check(describe("What holds for hosts whose spec does not say otherwise.")),
    {},
  ),
});
export type FleetDocument = z.infer<typeof fleetSchema>;
export type FleetDefaults = FleetDocument["defaults"];

const expression = z.string().check(z.minLength(1), z.maxLength(2_048));

export const targetsSchema = z
  .array(
    z.strictObject({
      match: expression.check(describe("A CEL expression over label.*, fact.* and host.name; `true` is every host.")),
      states: z
        .array(z.string().check(z.regex(STATE_NAME, { message: "is not a state's name" })))
        .check(z.minLength(1), z.maxLength(256), describe("States of the hosts that match, in order: `web` is states/web.yaml or states/web.ts.")),
    }),
  )
  .check(z.maxLength(1_000));
export type TargetsDocument = z.infer<typeof targetsSchema>;

export const secretsSchema = z
  .record(
    z.string().check(z.regex(NAME)),
    z.strictObject({
      match: expression.check(
        describe("Which hosts may have it: a CEL expression over label.* and host.name. Facts are claims of the box and decide nothing here."),
      ),
      description: z.optional(z.string().check(z.maxLength(1_000), describe("For people."))),
    }),
  )
  .check(z.refine((map) => Object.keys(map).length <= 1_000, { message: "names more than 1000 secrets" }));
export type SecretsDocument = z.infer<typeof secretsSchema>;

export interface Fleet {
  readonly fleet: FleetDocument;
  readonly targets: TargetsDocument;
  readonly targetsFile: YamlDocument;
  readonly secrets: SecretsDocument;
  readonly secretsFile: YamlDocument | undefined;
}

export async function readFleetDocuments(sources: Sources): Promise<Checked<Fleet>> {
  const fleet = await readDocument(sources, "fleet.yaml", fleetSchema);
  const targets = await readDocument(sources, "targets.yaml", targetsSchema);
  const secrets = Object.hasOwn(sources, "secrets.yaml") ? await readDocument(sources, "secrets.yaml", secretsSchema, {}) : undefined;
  const faults = [fleet, targets, secrets].flatMap((one) => (one === undefined || one.ok ? [] : one.faults));
  if (!fleet.ok || !targets.ok || secrets?.ok === false) return faulty(...faults);
  return good({
    fleet: fleet.value.value,
    targets: targets.value.value,
    targetsFile: targets.value.document,
    secrets: secrets?.value.value ?? {},
    secretsFile: secrets?.value.document,
  });
}

async function readDocument<T extends z.ZodMiniType>(
  sources: Sources,
  file: string,
  schema: T,
  whenEmpty?: unknown,
): Promise<Checked<{ readonly value: z.infer<T>; readonly document: YamlDocument }>> {
  const text = Object.hasOwn(sources, file) ? sources[file] : undefined;
  if (text === undefined)
    return faulty({ file, line: 0, path: "", message: "is missing", remedy: "`felhom init DIR` writes a fleet directory to begin with." });
  const document = await parseYaml(file, text);
  if (!document.ok) return document;
  const value = document.value.value ?? whenEmpty;
  const parsed = schema.safeParse(value);
  if (parsed.success) return good({ value: parsed.data, document: document.value });
  return faulty(
    ...(await Promise.all(
      issuesOf(parsed.error, value, (path) => keysAt(schema, path)).map((issue) => document.value.fault(issue.path, issue.message, issue.remedy)),
    )),
  );
}

/** The keys that the schema has for a map at this place of a document. */
function keysAt(schema: z.core.$ZodType, path: readonly (string | number)[]): readonly string[] {
  if (schema instanceof z.core.$ZodDefault || schema instanceof z.core.$ZodOptional) return keysAt(schema._zod.def.innerType, path);
  const [next, ...rest] = path;
  if (schema instanceof z.core.$ZodObject) {
    const { shape } = schema._zod.def;
    if (next === undefined) return Object.keys(shape);
    const inner = shape[next];
    return inner === undefined ? [] : keysAt(inner, rest);
  }
  if (next === undefined) return [];
  if (schema instanceof z.core.$ZodArray) return keysAt(schema._zod.def.element, rest);
  return schema instanceof z.core.$ZodRecord ? keysAt(schema._zod.def.valueType, rest) : [];
}

/** The defaults of a fleet.yaml alone; `undefined` when it is not right as a whole. */
export async function readFleetDefaults(text: string): Promise<FleetDefaults | undefined> {
  const fleet = await readDocument({ "fleet.yaml": text }, "fleet.yaml", fleetSchema);
  return fleet.ok ? fleet.value.value.defaults : undefined;
}

/** The file of a state by name, or why there is none. */
export function stateFile(
  sources: Sources,
  name: string,
): { readonly ok: true; readonly file: string } | { readonly ok: false; readonly message: string; readonly remedy?: string } {
  const found = [`states/${name}.yaml`, `states/${name}.ts`].filter((file) => Object.hasOwn(sources, file));
  if (found.length === 2) return { ok: false, message: `the state ${name} is there twice: ${found.join(" and ")}`, remedy: "Rename one of them." };
  const file = found[0];
  if (file !== undefined) return { ok: true, file };
  const guess = nearest(name, stateNames(sources));
  return {
    ok: false,
    message: `there is no state ${name}`,
    ...(guess === undefined ? { remedy: `Make states/${name}.yaml or states/${name}.ts.` } : { remedy: `Did you mean ${guess}?` }),
  };
}

export const stateNames = (sources: Sources): readonly string[] =>
  Object.keys(sources)
    .filter((file) => file.startsWith("states/") && /\.(?:yaml|ts)$/.test(file))
    .map((file) => file.slice("states/".length).replace(/\.(?:yaml|ts)$/, ""));
