/** The API description as a page to read: docs/reference/api.md. Pure, from the very document that /openapi.json serves. */
import { FAULTS, type FaultCode } from "../../../shared/core/fault-code.ts";
import type { JsonObject } from "./openapi.ts";

/** What nearly every route may answer: said once instead of fifty times. */
const COMMON: readonly FaultCode[] = ["bad_request", "unauthenticated", "denied", "too_large", "rate_limited"];

const TAGS: readonly (readonly [string, string, string])[] = [
  [
    "operator",
    "Operator API",
    "Bearer: a session (`felhom login`) or an API token. Roles: viewer reads; operator admits hosts, edits specs, publishes; admin rotates the root and makes tokens.",
  ],
  ["enrollment", "Enrollment", "No credential; strictly rate-limited. The box proves its key in the body."],
  ["agent", "Agent API", "Bearer: the box's own credential. JSON or MessagePack, by `content-type` and `accept`."],
  ["hub", "The hub itself", "For probes, scrapers and tools."],
];

const INTRO = `# HTTP API

Generated from the route registry; the same document is served as OpenAPI 3.1 at \`/openapi.json\`.

- Bodies are JSON. The operator API refuses unknown fields in a request; unknown fields in an answer are to be ignored.
- Errors are \`application/problem+json\` (RFC 9457). Switch on \`code\`; \`remedy\` says what to do next.
- Lists take \`limit\` (1 … 500) and \`cursor\`; \`next\` is absent on the last page.
- A POST that creates takes \`idempotency-key\`: a repeat gets the first answer, the same key with another body gets 409.
- Any route may answer ${COMMON.map((code) => `${FAULTS[code].status} \`${code}\``).join(", ")}; only what is special to a route is listed with it.
- The hub is a courier. What is in an \`Envelope\` was signed elsewhere; whoever reads it verifies it.
`;

export function apiReference(document: JsonObject): string {
  const operations = operationsOf(document);
  const parts = TAGS.map(([tag, title, words]) => {
    const own = operations.filter((operation) => operation.tag === tag);
    return [`## ${title}`, words, ...own.map(operationText)].join("\n\n");
  });
  const schemas = Object.entries(objectAt(objectAt(document, "components"), "schemas")).map(
    ([name, schema]) => `### ${name}\n\n\`\`\`ts\n${typeText(schema, "")}\n\`\`\``,
  );
  return `${[INTRO, ...parts, "## Schemas", ...schemas].join("\n\n").replaceAll(/\n{3,}/g, "\n\n")}\n`;
}

const COMMON_LINES: ReadonlySet<string> = new Set(COMMON.map((code) => `\`${code}\`: ${FAULTS[code].means}`));

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly tag: string;
  readonly is: JsonObject;
}

function operationsOf(document: JsonObject): readonly Operation[] {
  return Object.entries(objectAt(document, "paths")).flatMap(([path, item]) =>
    Object.entries(asObject(item)).map(([method, operation]) => {
      const is = asObject(operation);
      const tags = is["tags"];
      return { method: method.toUpperCase(), path, tag: Array.isArray(tags) ? String(tags[0]) : "", is };
    }),
  );
}

function operationText({ method, path, is }: Operation): string {
  const bound = is["x-felhom-body-bytes-max"];
  const facts = [`Capability \`${textOf(is["x-felhom-capability"])}\`.`, ...(typeof bound === "number" ? [`Body at most ${bytesText(bound)}.`] : [])];
  const lines = [`### ${method} ${path}`, `${textOf(is["summary"])}. ${facts.join(" ")}`, parametersText(is), bodyText(is), repliesText(is)];
  return lines.filter((line) => line !== "").join("\n\n");
}

function parametersText(operation: JsonObject): string {
  const parameters = operation["parameters"];
  if (!Array.isArray(parameters)) return "";
  const rows = parameters.map((parameter) => {
    const { name, in: where, required, schema, description } = asObject(parameter);
    return `| \`${textOf(name)}\` | ${textOf(where)}${required === true ? ", required" : ""} | ${cell(typeText(schema, ""))}${description === undefined ? "" : ` ${cell(textOf(description))}`} |`;
  });
  return ["| parameter | in | value |", "| --- | --- | --- |", ...rows].join("\n");
}

function bodyText(operation: JsonObject): string {
  const content = objectAt(asObject(operation["requestBody"]), "content");
  const json = asObject(content["application/json"]);
  if (json["schema"] !== undefined) return `Body:\n\n\`\`\`ts\n${typeText(json["schema"], "")}\n\`\`\``;
  return Object.keys(content).length === 0 ? "" : `Body: ${Object.keys(content).join(", ")}.`;
}

function repliesText(operation: JsonObject): string {
  return Object.entries(objectAt(operation, "responses"))
    .map(([status, reply]) => {
      const { description, content } = asObject(reply);
      const [media] = Object.entries(asObject(content)).filter(([type]) => type !== "application/problem+json");
      const schema = media === undefined ? undefined : asObject(media[1])["schema"];
      const shown = media === undefined ? "" : ` \`${schema === undefined ? media[0] : typeText(schema, "", true)}\``;
      return `- **${status}** ${textOf(description)}${shown}`;
    })
    .filter((line) => !COMMON_LINES.has(line.slice(line.indexOf("`"))))
    .join("\n");
}

/** A JSON Schema in the words of TypeScript, which is shorter than either. */
function typeText(schema: unknown, indent: string, isInline = false): string {
  const { $ref, const: only, enum: some, anyOf, oneOf, type, items, properties, required, additionalProperties, pattern, maxLength } = asObject(schema);
  if (typeof $ref === "string") return $ref.slice($ref.lastIndexOf("/") + 1);
  if (only !== undefined) return JSON.stringify(only);
  if (Array.isArray(some)) return some.map((value) => JSON.stringify(value)).join(" | ");
  const union = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined;
  if (union !== undefined) return union.map((member) => typeText(member, indent, isInline)).join(isInline ? " | " : ` | `);
  if (type === "array") return isUnion(asObject(items)) ? `(${typeText(items, indent, isInline)})[]` : `${typeText(items, indent, isInline)}[]`;
  if (type === "object" && properties !== undefined) return objectText(asObject(properties), Array.isArray(required) ? required : [], indent, isInline);
  if (type === "object") return `{ [name: string]: ${typeText(additionalProperties ?? {}, indent, isInline)} }`;
  if (type === "string" && pattern === DECIMAL) return "integer";
  if (type === "string" && !isInline)
    return `string${typeof pattern === "string" ? ` /* ${pattern} */` : typeof maxLength === "number" ? ` /* ≤ ${maxLength} */` : ""}`;
  return typeof type === "string" ? type : "unknown";
}

function objectText(properties: JsonObject, required: readonly unknown[], indent: string, isInline: boolean): string {
  const fields = Object.entries(properties).map(
    ([name, schema]) => `${name}${required.includes(name) ? "" : "?"}: ${typeText(schema, `${indent}  `, isInline)}`,
  );
  if (fields.length === 0) return "{}";
  return isInline ? `{ ${fields.join(", ")} }` : `{\n${fields.map((field) => `${indent}  ${field},`).join("\n")}\n${indent}}`;
}

const isUnion = ({ anyOf, oneOf, enum: some }: JsonObject): boolean => [anyOf, oneOf, some].some((members) => Array.isArray(members));

/** A number in a query is decimal text. */
const DECIMAL = "^(?:0|[1-9][0-9]{0,15})$";

/** Inside a table, a bar ends the cell. */
const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ");
const bytesText = (bytes: number): string =>
  bytes >= 1024 * 1024 ? `${Math.round(bytes / 1024 / 1024)} MiB` : bytes >= 1024 ? `${Math.round(bytes / 1024)} KiB` : `${bytes} B`;

function asObject(value: unknown): JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
const objectAt = (value: JsonObject, key: string): JsonObject => asObject(value[key]);
