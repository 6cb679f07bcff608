import { expect, test } from "bun:test";
import { testHub } from "../../../shared/sim/test-hub.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- the document is what is being checked
type Whatever = any;
type Node = { readonly [key: string]: unknown };
const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && !Array.isArray(value);

/** Every object in a document, with where it is. */
function* nodes(value: unknown, at: string): Generator<readonly [string, Node]> {
  if (Array.isArray(value)) for (const [index, item] of value.entries()) yield* nodes(item, `${at}/${index}`);
  if (!isNode(value)) return;
  yield [at, value];
  for (const [key, item] of Object.entries(value)) yield* nodes(item, `${at}/${key}`);
}

/** OpenAPI 3.1.0, section 4.8, and JSON Schema 2020-12: the keywords that may stand in a schema here. */
const SCHEMA_KEYWORDS = new Set([
  "$ref",
  "type",
  "const",
  "enum",
  "anyOf",
  "oneOf",
  "allOf",
  "not",
  "items",
  "prefixItems",
  "minItems",
  "maxItems",
  "uniqueItems",
  "properties",
  "required",
  "additionalProperties",
  "propertyNames",
  "minProperties",
  "maxProperties",
  "minLength",
  "maxLength",
  "pattern",
  "format",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "description",
  "title",
  "default",
  "examples",
  "contentEncoding",
]);
const TYPES = new Set(["string", "number", "integer", "boolean", "null", "array", "object"]);

async function document() {
  using hub = await testHub();
  const { status, json } = await hub.ask("GET", "/openapi.json");
  expect(status).toBe(200);
  return { doc: json, routes: hub.routes };
}

test("it is served to anybody, says 3.1 and names every route with its capability", async () => {
  const { doc, routes } = await document();
  expect(doc.openapi).toBe("3.1.0");
  expect(doc.paths["/agent/v1/sync"].post["x-felhom-capability"]).toBe("agent");
  for (const { method, path, capability, summary } of routes) {
    const operation = doc.paths[path]?.[method.toLowerCase()];
    expect([path, operation?.summary, operation?.["x-felhom-capability"]]).toEqual([path, summary, capability]);
  }
});

test("every operation is whole: an id of its own, its path's parameters, its replies, its errors", async () => {
  const { doc } = await document();
  const ids = new Set<string>();
  for (const [path, item] of Object.entries<Record<string, Whatever>>(doc.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const at = `${method} ${path}`;
      expect([at, ids.has(operation.operationId)]).toEqual([at, false]);
      ids.add(operation.operationId);
      expect([at, /^[a-z][a-z0-9_]*$/.test(operation.operationId)]).toEqual([at, true]);
      const named = [...path.matchAll(/\{([a-z0-9_]+)\}/g)].map((match) => match[1]);
      const given = (operation.parameters ?? []).filter((parameter: Node) => parameter["in"] === "path").map((parameter: Node) => parameter["name"]);
      expect([at, given]).toEqual([at, named]);
      const statuses = Object.keys(operation.responses);
      expect([at, statuses.some((status) => /^2\d\d$/.test(status)), statuses.every((status) => /^[2-5]\d\d$/.test(status))]).toEqual([at, true, true]);
      expect([at, Object.values<Node>(operation.responses).every((reply) => typeof reply["description"] === "string" && reply["description"] !== "")]).toEqual([
        at,
        true,
      ]);
      expect([at, Array.isArray(operation.security)]).toEqual([at, true]);
      if (method === "get") expect([at, operation.requestBody]).toEqual([at, undefined]);
    }
  }
});

test("every reference resolves and every schema is one", async () => {
  const { doc } = await document();
  let schemas = 0;
  for (const [at, node] of nodes(doc, "#")) {
    const ref = node["$ref"];
    if (typeof ref === "string")
      expect([
        at,
        isNode(
          ref
            .split("/")
            .slice(1)
            .reduce((value: Whatever, key) => value?.[key], doc),
        ),
      ]).toEqual([at, true]);
    const isSchema =
      /\/(?:schema|items|additionalProperties|propertyNames)$/.test(at) ||
      /\/(?:properties|schemas)\/[^/]+$/.test(at) ||
      /\/(?:anyOf|oneOf|allOf)\/\d+$/.test(at);
    if (!isSchema || at.endsWith("/properties")) continue;
    schemas += 1;
    expect([at, Object.keys(node).filter((key) => !SCHEMA_KEYWORDS.has(key))]).toEqual([at, []]);
    const type = node["type"];
    if (type !== undefined) expect([at, (Array.isArray(type) ? type : [type]).every((name) => TYPES.has(name))]).toEqual([at, true]);
    if (typeof node["pattern"] === "string") expect(() => new RegExp(node["pattern"] as string, "u")).not.toThrow();
    const required = node["required"];
    if (Array.isArray(required)) expect([at, required.filter((key) => !(key in ((node["properties"] ?? {}) as object)))]).toEqual([at, []]);
  }
  expect(schemas).toBeGreaterThan(200);
});

test("no id is shown without its form, and no string of a request without a bound", async () => {
  const { doc } = await document();
  const unbounded: string[] = [];
  for (const [path, item] of Object.entries<Record<string, Whatever>>(doc.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      for (const [at, node] of nodes(operation.requestBody ?? {}, `${method} ${path}`)) {
        if (
          node["type"] === "string" &&
          node["maxLength"] === undefined &&
          node["pattern"] === undefined &&
          node["enum"] === undefined &&
          node["const"] === undefined
        )
          unbounded.push(at);
        if (node["type"] === "array" && node["maxItems"] === undefined) unbounded.push(at);
      }
    }
  }
  expect(unbounded).toEqual([]);
});
