import * as z from "zod/mini";
import { fleetSchema, secretsSchema, targetsSchema } from "./fleet-documents.ts";
import { KINDS, RESOURCE_TYPES } from "./resources/registry.ts";

/**
 * JSON Schemas for editors, made from the schemas that felhom itself checks with. `felhom init` writes them beside a fleet;
 * a comment in each YAML file names its schema, which yaml-language-server and its like understand.
 */
export type JsonSchema = Readonly<Record<string, unknown>>;

export const SCHEMA_FILES = ["fleet", "targets", "secrets", "state"] as const;
export type SchemaName = (typeof SCHEMA_FILES)[number];

export function fleetSchemas(): Readonly<Record<SchemaName, JsonSchema>> {
  return {
    fleet: titled("fleet.yaml of felhom", fleetSchema),
    targets: titled("targets.yaml of felhom", targetsSchema),
    secrets: titled("secrets.yaml of felhom", secretsSchema),
    state: resourceJsonSchema(),
  };
}

/** A state: a map from path or name to an entry. */
export function resourceJsonSchema(): JsonSchema {
  const types = Object.fromEntries(
    RESOURCE_TYPES.map((type) => [type, { description: KINDS[type].summary, ...withTemplates(paramsSchema(type)), type: ["object", "null"] }]),
  );
  const references = (description: string) => ({ description, anyOf: [{ type: "string" }, { type: "array", items: { type: "string" }, maxItems: 1_000 }] });
  const entry = {
    type: "object",
    additionalProperties: false,
    properties: {
      ...types,
      require: references("Resources that come first, by id: `package/nginx`. If one fails, this one is skipped."),
      watch: references("The same, and when one of them was changed, this one acts: a service restarts, a command with `onChange` runs."),
      onFail: { enum: ["continue", "stop"], default: "continue", description: "After a failure: go on with what does not depend on it, or stop." },
      onlyIf: { type: ["string", "boolean"], description: "A CEL expression; the entry is for hosts where it is true." },
      sensitive: { type: "boolean", default: false, description: "Show no content and no diff of it. What is made from a secret is sensitive anyway." },
    },
    anyOf: RESOURCE_TYPES.map((type) => ({ required: [type] })),
  };
  return { $schema: "https://json-schema.org/draft/2020-12/schema", title: "A state of felhom", type: "object", additionalProperties: entry };
}

/** What names the resource is not required: the entry's key does it. */
export function paramsSchema(type: (typeof RESOURCE_TYPES)[number]): JsonSchema {
  const { $schema: _, required, ...schema } = jsonSchema(KINDS[type].schema);
  const others = Array.isArray(required) ? required.filter((name) => name !== KINDS[type].namedBy) : [];
  return others.length === 0 ? schema : { ...schema, required: others };
}

function titled(title: string, schema: z.ZodMiniType): JsonSchema {
  return { title, ...jsonSchema(schema) };
}

function jsonSchema(schema: z.ZodMiniType): JsonSchema {
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" });
}

/** In YAML any parameter may be a template, whatever kind it has. */
function withTemplates(schema: JsonSchema): JsonSchema {
  const properties = schema["properties"];
  if (typeof properties !== "object" || properties === null) return schema;
  const relaxed = Object.entries(properties).map(([name, property]: [string, JsonSchema]) => {
    const { description, default: preset, ...rest } = property;
    return [
      name,
      {
        ...(description === undefined ? {} : { description }),
        ...(preset === undefined ? {} : { default: preset }),
        anyOf: [rest, { type: "string", pattern: "\\{[{%]" }],
      },
    ];
  });
  return { ...schema, properties: Object.fromEntries(relaxed) };
}
