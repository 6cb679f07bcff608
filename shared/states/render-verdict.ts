import * as z from "zod/mini";
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
const id = z.string().check(z.maxLength(256));
const ids = z.array(id).check(z.maxLength(1_000));
const frame = z.strictObject({ id, name: id, type: z.string(), params: z.unknown(), require: ids, watch: ids, onFail: z.enum(["continue", "stop"]), sensitive: z.boolean(), from: text });
const verdict = z.discriminatedUnion("ok", [
  z.strictObject({ ok: z.literal(true), resources: z.array(frame).check(z.maxLength(RESOURCES_MAX)), sources: z.array(text), states: z.array(text), defaults: fleetSchema.shape.defaults }),
  z.strictObject({ ok: z.literal(false), faults: z.array(z.strictObject({ file: text, line: z.number(), column: z.optional(z.number()), path: text, message: text, remedy: z.optional(text) })).check(z.minLength(1), z.maxLength(1_000)) }),
]);

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
  if (!parsed.data.ok) return { ok: false, faults: parsed.data.faults.map(({ column, remedy, ...fault }) => ({ ...fault, ...(column === undefined ? {} : { column }), ...(remedy === undefined ? {} : { remedy }) })) };
  const resources: Resource[] = [];
  const known = new Set<string>();
  for (const one of parsed.data.resources) {
    const resource = resourceOf(one);
    if (resource === undefined || known.has(resource.id) || ![...resource.require, ...resource.watch].every((reference) => known.has(reference))) return unbelievable(`has a resource that is not right (${JSON.stringify(one.id)})`);
    known.add(resource.id);
    resources.push(resource);
  }
  return { ...parsed.data, resources };
}

/** Its params as the schema of its type takes them; what rendering adds to a directory is put back. */
function resourceOf({ type, params, ...others }: z.infer<typeof frame>): Resource | undefined {
  if (!isResourceType(type) || typeof params !== "object" || params === null || "template" in params) return undefined;
  const { schema, namedBy, quick } = KINDS[type];
  const { managed, ...written } = { managed: undefined, ...params };
  const checked = quick?.(written) ?? schema.safeParse(type === "directory" ? written : params).data;
  if (checked === undefined) return undefined;
  const named: unknown = Reflect.get(checked, namedBy);
  if (named !== others.name || `${type}/${others.name}` !== others.id) return undefined;
  if (type !== "directory") return { ...others, type, params: checked } as Resource;
  const names = ids.safeParse(managed);
  return names.success ? ({ ...others, type, params: { ...checked, managed: names.data } } as Resource) : undefined;
}

function unbelievable(message: string): RenderVerdict {
  return { ok: false, faults: [{ file: "", line: 0, path: "", message: `the answer of the rendering process ${message}` }] };
}
