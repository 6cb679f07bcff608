/**
 * OpenAPI 3.1 from the route registry: the same schemas that parse requests describe them, so the description cannot drift. Pure:
 * routes and a version in, a document out. `scripts/docs` prints it as docs/reference/api.md, the hub serves it at /openapi.json.
 */
import * as z from "zod/mini";
import { FAULTS, type FaultCode } from "../../../shared/core/fault-code.ts";
import { FLEET_ID, HOST_ID, KEY_ID, SHA256_HEX } from "../../../shared/core/ids.ts";
import { auditItem, auditVerification, bundleDetail, bundleItem, eventItem, fleetItem, grantItem, hubStatus } from "../../../shared/protocol/api/fleet.ts";
import { enrollmentItem, hostDetail, hostItem } from "../../../shared/protocol/api/hosts.ts";
import { tokenItem } from "../../../shared/protocol/api/login.ts";
import { envelope, fleetId, hostId, keyId, sha256Hex } from "../../../shared/protocol/fields.ts";
import { problem } from "../../../shared/protocol/problem.ts";
import { hostSpec } from "../../../shared/protocol/spec.ts";
import { SYNC_REQUEST_BYTES_MAX, syncReply, syncRequest } from "../../../shared/protocol/sync.ts";
import type { Capability } from "../../core/access/capability.ts";
import { defineRoute, type Route } from "./route.ts";

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };
export type JsonObject = { readonly [key: string]: Json | undefined };

/** Schemas with a name of their own in the description. */
const NAMED = new Map<unknown, string>([
  [auditItem, "AuditRow"],
  [auditVerification, "AuditVerification"],
  [bundleDetail, "BundleDetail"],
  [bundleItem, "Bundle"],
  [enrollmentItem, "Enrollment"],
  [envelope, "Envelope"],
  [eventItem, "Event"],
  [fleetItem, "Fleet"],
  [grantItem, "Grant"],
  [hostDetail, "HostDetail"],
  [hostItem, "Host"],
  [hostSpec, "HostSpec"],
  [hubStatus, "HubStatus"],
  [problem, "Problem"],
  [tokenItem, "Token"],
]);

/** Branded ids are checked by a function, which JSON Schema can't show: their patterns are given here. */
const PATTERNS = new Map<unknown, RegExp>([
  [fleetId, FLEET_ID],
  [hostId, HOST_ID],
  [keyId, KEY_ID],
  [sha256Hex, SHA256_HEX],
]);

const ALWAYS: readonly FaultCode[] = ["bad_request", "rate_limited"];
const SECURED: readonly FaultCode[] = ["unauthenticated", "denied"];

export type Described = Omit<Route, "handle">;

/** The server answers sync before its router: it is described here instead of registered. */
const SYNC: Described = {
  method: "POST",
  path: "/agent/v1/sync",
  capability: "agent",
  summary: "A box's one poll: what it holds and has to say, for what is newer. Held for up to wait_ms while nothing is",
  bodyBytesMax: SYNC_REQUEST_BYTES_MAX,
  msgpack: true,
  bodySchema: syncRequest,
  querySchema: undefined,
  replies: { 200: { what: "What is newer, and how far the outbox is durable", schema: syncReply } },
  errors: ["revoked", "unavailable"],
};

export function openApiDocument(routes: readonly Described[], version: string): JsonObject {
  const paths: Record<string, Record<string, Json>> = {};
  for (const route of [...routes, SYNC]) (paths[route.path] ??= {})[route.method.toLowerCase()] = operationOf(route);
  const named = [...NAMED].toSorted(([, a], [, b]) => (a < b ? -1 : 1));
  const schemas = Object.fromEntries(named.map(([schema, name]) => [name, jsonSchema(schema, "output", schema)]));
  return {
    openapi: "3.1.0",
    info: {
      title: "felhom hub",
      version,
      summary: "Enrollment, agent and operator API of a felhom hub.",
      description:
        "The hub is a courier: what matters is inside signed envelopes, and whoever reads them verifies them. Errors are RFC 9457 problem details with a stable code.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths: Object.fromEntries(Object.entries(paths).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    components: {
      schemas,
      securitySchemes: {
        operator: { type: "http", scheme: "bearer", description: "A session (`felhom login`) or an API token." },
        host: { type: "http", scheme: "bearer", description: "A box's credential, given to it at enrollment." },
      },
    },
  };
}

/** Serves the description of all routes, its own included. */
export function openApiRoute(all: () => readonly Route[], version: string): Route {
  const made: { text?: string } = {};
  const self: Route = defineRoute(
    {
      method: "GET",
      path: "/openapi.json",
      capability: "open",
      summary: "This description, OpenAPI 3.1",
      bodyBytesMax: 0,
      replies: { 200: { what: "The document", type: "application/json" } },
    },
    async () => {
      made.text ??= JSON.stringify(openApiDocument([...all().filter((route) => route.path !== self.path), self], version));
      return new Response(made.text, {
        headers: { "content-type": "application/json", "cache-control": "public, max-age=300", "x-content-type-options": "nosniff" },
      });
    },
  );
  return self;
}

function operationOf(route: Described): JsonObject {
  const parameters = [...pathParameters(route.path), ...queryParameters(route), ...headerParameters(route)];
  return {
    operationId: operationId(route),
    tags: [tagOf(route.path)],
    summary: route.summary,
    ...securityOf(route.capability),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(route.bodyBytesMax === 0 ? {} : { requestBody: requestBody(route) }),
    responses: { ...replies(route), ...errors(route) },
    "x-felhom-capability": route.capability,
    ...(route.bodyBytesMax === 0 ? {} : { "x-felhom-body-bytes-max": route.bodyBytesMax }),
  };
}

/** `GET /api/v1/hosts/{host_id}/spec` → `get_hosts_host_id_spec`. */
function operationId({ method, path }: Described): string {
  const words =
    path
      .replace(/^\/(?:api|agent|enroll)\/v\d+/, (prefix) => (prefix.startsWith("/api") ? "" : prefix.slice(0, prefix.lastIndexOf("/"))))
      .match(/[A-Za-z0-9_]+/g) ?? [];
  return [method.toLowerCase(), ...words].join("_").replaceAll("-", "_");
}

const tagOf = (path: string): string =>
  path.startsWith("/api/") ? "operator" : path.startsWith("/agent/") ? "agent" : path.startsWith("/enroll/") ? "enrollment" : "hub";

function securityOf(capability: Capability): JsonObject {
  if (capability === "open") return { security: [] };
  return { security: [capability === "agent" ? { host: [] } : { operator: [] }] };
}

function pathParameters(path: string): readonly Json[] {
  return [...path.matchAll(/\{([a-z0-9_]+)\}/g)].map((match) => ({ name: match[1] ?? "", in: "path", required: true, schema: { type: "string" } }));
}

function queryParameters(route: Described): readonly Json[] {
  if (route.querySchema === undefined) return [];
  const schema = jsonSchema(route.querySchema, "input");
  const required = Array.isArray(schema["required"]) ? schema["required"] : [];
  return Object.entries(isObject(schema["properties"]) ? schema["properties"] : {}).map(([name, property]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema: property ?? {},
  }));
}

function headerParameters({ method, path, replies: wanted }: Described): readonly Json[] {
  const header = (name: string, required: boolean, description: string): Json => ({
    name,
    in: "header",
    required,
    description,
    schema: { type: "string", maxLength: 128 },
  });
  const found: Json[] = [];
  if (method === "POST" && path.startsWith("/api/") && wanted[201] !== undefined)
    found.push(
      header("idempotency-key", false, "8 to 64 letters, digits, - or _. The same key with the same body gets the first answer; with another body, 409."),
    );
  if (path.endsWith("/spec") && method === "PUT") found.push(header("if-match", true, "The ETag of the spec that was read."));
  if (wanted[304] !== undefined) found.push(header("if-none-match", false, "An ETag: 304 when nothing changed."));
  return found;
}

function requestBody(route: Described): Json {
  if (route.bodyForm !== undefined && route.bodyForm !== "json" && route.bodySchema === undefined)
    return { required: true, content: { "application/octet-stream": {} } };
  const schema = route.bodySchema === undefined ? {} : jsonSchema(route.bodySchema, "input");
  return { required: true, content: { "application/json": { schema }, ...(route.msgpack === true ? { "application/msgpack": { schema } } : {}) } };
}

function replies(route: Described): JsonObject {
  return Object.fromEntries(
    Object.entries(route.replies).map(([status, { what, schema, type }]) => {
      const media = schema === undefined ? {} : { schema: jsonSchema(schema, "output") };
      const content =
        schema === undefined && type === undefined
          ? undefined
          : { [type ?? "application/json"]: media, ...(route.msgpack === true && schema !== undefined ? { "application/msgpack": media } : {}) };
      return [status, { description: what, ...(content === undefined ? {} : { content }) }];
    }),
  );
}

/** One reply per status, naming the codes that can be behind it. */
function errors(route: Described): JsonObject {
  const codes = [
    ...ALWAYS,
    ...(route.capability === "open" ? [] : SECURED),
    ...(route.bodyBytesMax === 0 ? [] : (["too_large"] as const)),
    ...(route.errors ?? []),
  ];
  const byStatus = Map.groupBy(new Set(codes), (code) => FAULTS[code].status);
  return Object.fromEntries(
    [...byStatus]
      .toSorted(([a], [b]) => a - b)
      .map(([status, of]) => [
        String(status),
        {
          description: of.map((code) => `\`${code}\`: ${FAULTS[code].means}`).join(" "),
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
      ]),
  );
}

/** `self` is the schema being defined: it is written out where every other named one becomes a reference. */
function jsonSchema(schema: unknown, io: "input" | "output", self?: unknown): JsonObject {
  const made = z.toJSONSchema(schema as z.ZodMiniType, {
    target: "draft-2020-12",
    io,
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema: node }) => {
      // Fields are added to answers without a new version: a client must not refuse what it does not know.
      if (io === "output" && node.additionalProperties === false) delete node.additionalProperties;
      const pattern = PATTERNS.get(zodSchema);
      if (pattern !== undefined) Object.assign(node, { type: "string", pattern: pattern.source });
      const name = NAMED.get(zodSchema);
      if (name === undefined || zodSchema === self) return;
      for (const key of Object.keys(node)) delete node[key];
      node.$ref = `#/components/schemas/${name}`;
    },
  });
  const { $schema: _dialect, "~standard": _standard, ...rest } = made as Record<string, Json>;
  return rest;
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
