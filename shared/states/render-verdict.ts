import * as z from "zod/mini";
import { isMap, REFERENCES_MAX } from "./declared.ts";
import { fleetSchema } from "./fleet-documents.ts";
import type { RenderVerdict } from "./render.ts";
import type { Resource } from "./resource.ts";
import { RESOURCES_MAX } from "./resource.ts";
import { isResourceType, KINDS } from "./resources/registry.ts";

/**
 * What the render child wrote, checked before a process with more rights believes it. The child ran the operator's templates
 * and TypeScript and may have gone wrong in any way: frames are checked, and params again by the schema of their type, which
 * is what executors rely on.
 */
const text = z.string().check(z.maxLength(8_192));
const verdict = z.discriminatedUnion("ok", [
  // Resources are checked one by one below: by a schema of frames it would take longer than all the rest.
  z.strictObject({
    ok: z.literal(true),
    resources: z.array(z.unknown()).check(z.maxLength(RESOURCES_MAX)),
    sources: z.array(text),
    states: z.array(text),
    defaults: fleetSchema.shape.defaults,
  }),
  z.strictObject({
    ok: z.literal(false),
    faults: z
      .array(z.strictObject({ file: text, line: z.number(), column: z.optional(z.number()), path: text, message: text, remedy: z.optional(text) }))
      .check(z.minLength(1), z.maxLength(1_000)),
  }),
]);

const ID_CHARS_MAX = 256;
const FRAME = ["id", "name", "type", "params", "require", "watch", "onFail", "sensitive", "from"];
const isId = (value: unknown): value is string => typeof value === "string" && value.length <= ID_CHARS_MAX;
const areIds = (value: unknown): value is readonly string[] => Array.isArray(value) && value.length <= REFERENCES_MAX && value.every(isId);

/** Never throws: an answer that cannot be believed is a rendering that failed. */
export function parseRenderVerdict(json: string): RenderVerdict {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return unbelievable("is not JSON");
  }
  const parsed = verdict.safeParse(value);
  if (!parsed.success) return unbelievable(`has not the form of an answer (${parsed.error.issues[0]?.path.join(".") ?? ""})`);
  if (!parsed.data.ok)
    return {
      ok: false,
      faults: parsed.data.faults.map(({ column, remedy, ...fault }) => ({
        ...fault,
        ...(column === undefined ? {} : { column }),
        ...(remedy === undefined ? {} : { remedy }),
      })),
    };
  const resources: Resource[] = [];
  const known = new Set<string>();
  for (const [at, one] of parsed.data.resources.entries()) {
    const resource = isMap(one) ? resourceOf(one) : undefined;
    if (resource === undefined || known.has(resource.id) || ![...resource.require, ...resource.watch].every((reference) => known.has(reference)))
      return unbelievable(`has a resource that is not right (the ${at + 1}th)`);
    known.add(resource.id);
    resources.push(resource);
  }
  return { ...parsed.data, resources };
}

/** Its params as the schema of its type takes them; what rendering adds to a directory is put back. */
function resourceOf(given: Readonly<Record<string, unknown>>): Resource | undefined {
  const { id, name, type, params, require, watch, onFail, sensitive, from } = given;
  if (
    Object.keys(given).some((key) => !FRAME.includes(key)) ||
    !isId(id) ||
    !isId(name) ||
    typeof type !== "string" ||
    !isResourceType(type) ||
    !isMap(params) ||
    "template" in params
  )
    return undefined;
  if (
    !areIds(require) ||
    !areIds(watch) ||
    (onFail !== "continue" && onFail !== "stop") ||
    typeof sensitive !== "boolean" ||
    typeof from !== "string" ||
    from.length > ID_CHARS_MAX * 4
  )
    return undefined;
  const { schema, namedBy, quick } = KINDS[type];
  const { managed, ...written } = { managed: undefined, ...params };
  const checked = quick?.(written) ?? schema.safeParse(type === "directory" ? written : params).data;
  if (checked === undefined || Reflect.get(checked, namedBy) !== name || `${type}/${name}` !== id || (type === "directory" && !areIds(managed)))
    return undefined;
  return { id, name, type, params: type === "directory" ? { ...checked, managed } : checked, require, watch, onFail, sensitive, from } as Resource;
}

function unbelievable(message: string): RenderVerdict {
  return { ok: false, faults: [{ file: "", line: 0, path: "", message: `the answer of the rendering process ${message}` }] };
}
