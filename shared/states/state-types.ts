import type { JsonSchema } from "./fleet-schemas.ts";
import { paramsSchema } from "./fleet-schemas.ts";
import { KINDS, RESOURCE_TYPES } from "./resources/registry.ts";

/**
 * `felhom.d.ts`: the types of TypeScript states, made from the resource schemas. An editor reads it; felhom erases types and
 * never looks at it.
 */
export function stateTypes(): string {
  const params = RESOURCE_TYPES.map((type) => `/** ${KINDS[type].summary} */\nexport interface ${typeName(type)} {\n${members(paramsSchema(type))}}\n`);
  const entries = RESOURCE_TYPES.map((type) => `  | ({ readonly ${type}: ${typeName(type)} } & Frame)`).join("\n");
  return `${HEAD}\n${params.join("\n")}\n/** One resource. In a list its parameters name it; in a map the key does. */\nexport type Entry =\n${entries};\n\nexport type Entries = readonly Entry[] | { readonly [pathOrName: string]: Entry };\n`;
}

const HEAD = `// Written by \`felhom init\`; made from felhom's own schemas. Use it in states/*.ts:
//   import type { Entries, Host } from "../.felhom/felhom.d.ts";

/** The host that is rendered. Reading a label, fact, setting or secret that it has not is a fault; \`"x" in host.labels\` asks first. */
export interface Host {
  readonly id: string;
  readonly name: string;
  /** Signed by the operator. */
  readonly labels: Readonly<Record<string, string>>;
  /** What the box says of itself. */
  readonly facts: Readonly<Record<string, any>>;
  /** settings/, merged for this host. */
  readonly settings: Readonly<Record<string, any>>;
  readonly secrets: Readonly<Record<string, string>>;
}

export interface Frame {
  /** Ids (\`type/name\`) of resources that come first. */
  readonly require?: string | readonly string[];
  /** The same; and when one was changed, this one acts. */
  readonly watch?: string | readonly string[];
  readonly onFail?: "continue" | "stop";
  /** A CEL expression. */
  readonly onlyIf?: string | boolean;
  readonly sensitive?: boolean;
}
`;

const typeName = (type: string): string => `${type.charAt(0).toUpperCase()}${type.slice(1)}Params`;

function members(schema: JsonSchema): string {
  const properties: unknown = schema["properties"];
  if (!isSchema(properties)) return "";
  const required: unknown = schema["required"];
  const isRequired = (name: string) => Array.isArray(required) && required.includes(name);
  return Object.entries(properties)
    .map(([name, property]) => {
      const description = isSchema(property) ? property["description"] : undefined;
      const preset = isSchema(property) && property["default"] !== undefined ? ` Default: ${JSON.stringify(property["default"])}.` : "";
      return `${typeof description === "string" ? `  /** ${description.replaceAll("*/", "* /")}${preset} */\n` : ""}  readonly ${name}${isRequired(name) ? "" : "?"}: ${typeOf(property)};\n`;
    })
    .join("");
}

function typeOf(schema: unknown): string {
  if (!isSchema(schema)) return "unknown";
  const { enum: values, anyOf, type, items, additionalProperties } = schema;
  if (Array.isArray(values)) return values.map((value) => JSON.stringify(value)).join(" | ");
  if (Array.isArray(anyOf)) return anyOf.map(typeOf).join(" | ");
  switch (type) {
    case "string":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "array":
      return `readonly ${wrapped(typeOf(items))}[]`;
    case "object":
      return `{ readonly [name: string]: ${typeOf(additionalProperties)} }`;
    default:
      return "unknown";
  }
}

const wrapped = (type: string): string => (type.includes("|") ? `(${type})` : type);
const isSchema = (value: unknown): value is JsonSchema => typeof value === "object" && value !== null && !Array.isArray(value);
