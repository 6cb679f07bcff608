import type { JsonSchema } from "./fleet-schemas.ts";
import { paramsSchema } from "./fleet-schemas.ts";
import { KINDS, RESOURCE_TYPES } from "./resources/registry.ts";

/** The reference page of resources, in Markdown, made from the schemas: `scripts/docs` writes it and a drift test compares. */
export function resourceReference(): string {
  const toc = RESOURCE_TYPES.map((type) => `- [\`${type}\`](#${type}): ${KINDS[type].summary}`).join("\n");
  return `${HEAD}\n${toc}\n\n${FRAME}\n${RESOURCE_TYPES.map(section).join("\n")}`;
}

const HEAD = `# Resources

A state is a map from a path or name to an entry; an entry names one type with its parameters. A resource's id is its type, a
slash and its path or name: \`file//etc/motd\`, \`service/nginx\`. In YAML every text among the parameters may be a Liquid template
(\`{{ settings.port }}\`, \`{{ labels.site }}\`, \`{{ facts.os.codename }}\`, \`{{ secrets.smtp }}\`, \`{{ host.name }}\`); one that is nothing but one
\`{{ … }}\` keeps its list, number or truth value. A name that is not there is a fault, never an empty text.
`;

const FRAME = `## Every entry

| key | what it says |
| --- | --- |
| \`require\` | ids of resources that come first; if one of them fails, this one is skipped |
| \`watch\` | the same, and when one of them was changed this one acts: a service restarts or reloads, a command with \`onChange\` runs |
| \`onFail\` | \`continue\` (default) goes on with what does not depend on it, \`stop\` skips all that comes later |
| \`onlyIf\` | an expression over \`label.*\`, \`fact.*\` and \`host.name\`; where it is false the host has no such resource |
| \`sensitive\` | \`true\` shows no content and no diff; what is made from a secret is sensitive anyway |

Resources are converged in the order in which they are declared, states in the order in which targets name them; \`require\` and \`watch\` move a
resource after what it needs. A circle is refused, and so is an id that is declared twice.
`;

function section(type: (typeof RESOURCE_TYPES)[number]): string {
  const kind = KINDS[type];
  const properties: unknown = paramsSchema(type)["properties"];
  const rows = isSchema(properties)
    ? Object.entries(properties).map(([name, property]) => row(name, isSchema(property) ? property : {}, isRequired(paramsSchema(type), name)))
    : [];
  return `## ${type}\n\n${kind.summary}\n\n| parameter | takes | what it says |\n| --- | --- | --- |\n${rows.join("\n")}\n\n\`\`\`yaml\n${kind.example}\`\`\`\n`;
}

const isRequired = (schema: JsonSchema, name: string): boolean => Array.isArray(schema["required"]) && schema["required"].includes(name);

function row(name: string, property: JsonSchema, required: boolean): string {
  const preset = property["default"];
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  const shownDefault =
    preset === undefined || (typeof preset === "object" && Object.keys(preset ?? {}).length === 0)
      ? ""
      : ` (default \`${typeof preset === "string" ? preset : JSON.stringify(preset)}\`)`;
  return `| \`${name}\`${required ? " (required)" : ""} | ${cell(takes(property))}${cell(shownDefault)} | ${cell(typeof property["description"] === "string" ? property["description"] : "")} |`;
}

function takes(property: JsonSchema): string {
  const { enum: values, anyOf, type, items, minimum, maximum } = property;
  if (Array.isArray(values)) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (Array.isArray(anyOf)) return anyOf.map((one) => takes(isSchema(one) ? one : {})).join(" or ");
  switch (type) {
    case "string":
      return "text";
    case "integer":
      return typeof minimum === "number" && typeof maximum === "number" && maximum < 1_000_000 ? `${minimum} to ${maximum}` : "whole number";
    case "boolean":
      return "`true`, `false`";
    case "array":
      return `list of ${isSchema(items) && items["type"] === "string" ? "texts" : "values"}`;
    case "object":
      return "map of texts";
    default:
      return "any";
  }
}

const isSchema = (value: unknown): value is JsonSchema => typeof value === "object" && value !== null && !Array.isArray(value);
