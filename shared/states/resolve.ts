import type { ZodMiniType } from "zod/mini";
import { assert } from "../core/assert.ts";
import type { Complaint, Declared } from "./declared.ts";
import { isMap } from "./declared.ts";
import type { Expressions, Subject } from "./expression.ts";
import { trivial } from "./expression.ts";
import type { Sources } from "./fleet-documents.ts";
import type { Resource } from "./resource.ts";
import { CONTENT_CHARS_MAX } from "./resources/fields.ts";
import type { ResourceType } from "./resources/registry.ts";
import { KINDS } from "./resources/registry.ts";
import type { Issue } from "./schema-issues.ts";
import { issuesOf, keysRemedy, nearest, valueAt } from "./schema-issues.ts";
import type { StateFault } from "./state-fault.ts";
import { shown } from "./state-fault.ts";
import type { Templates } from "./template.ts";
import { isTemplate } from "./template.ts";

/**
 * From an entry as written to a resource as wanted by one host: is it for this host at all (`onlyIf`), fill in templates,
 * check against the type's schema, name it.
 */
export interface ResolveContext {
  readonly sources: Sources;
  /** Every path of the tree when known; then a `source` that is not there is a fault here and not on the box. */
  readonly paths: ReadonlySet<string> | undefined;
  readonly subject: Subject;
  /** Absent when no entry needs them (`needsExpressions`, `needsTemplates`). */
  readonly expressions: Expressions | undefined;
  readonly templates: Templates | undefined;
}

export type Resolved =
  | { readonly is: "resource"; readonly resource: Resource; readonly declared: Declared }
  /** `onlyIf` says no. Its id, as far as it can be told, may be referred to. */
  | { readonly is: "absent"; readonly id: string }
  | { readonly is: "faulty"; readonly declared: Declared; readonly complaints: readonly Complaint[] }
  /** A fault in another file than the entry's: the template's own. */
  | { readonly is: "faulty-template"; readonly fault: StateFault };

export const needsExpressions = (declared: Declared): boolean => declared.onlyIf !== undefined && trivial(declared.onlyIf) === undefined;
export const needsTemplates = (declared: Declared): boolean =>
  (declared.type === "file" && declared.params["template"] !== undefined) || (declared.templated && holdsTemplate(declared.params));

export function resolve(declared: Declared, context: ResolveContext): Resolved {
  if (declared.onlyIf !== undefined) {
    const judged = trivial(declared.onlyIf) ?? context.expressions?.evaluate(declared.onlyIf, "host", context.subject);
    assert(judged !== undefined, "expressions are open when an entry needs them");
    if (!judged.ok) return faulty(declared, { at: ["onlyIf"], message: judged.message, remedy: judged.remedy });
    if (!judged.value) return { is: "absent", id: idOf(declared, declared.params) };
  }
  const filled = fillIn(declared, context);
  if ("is" in filled) return filled;
  const { namedBy, schema, quick } = KINDS[declared.type];
  const params = Object.hasOwn(filled.params, namedBy) || declared.key === undefined ? filled.params : { [namedBy]: declared.key, ...filled.params };
  const plain = quick?.(params);
  const checked: Validated = plain !== undefined && isMap(plain) ? { ok: true, params: plain } : validated(schema, params, filled.scalars);
  if (!checked.ok) return faulty(declared, ...checked.issues.slice(0, ISSUES_MAX).map((issue) => complaintOf(declared, issue, schema)));
  return finished(declared, checked.params, filled, context);
}

const ISSUES_MAX = 20;
const faulty = (declared: Declared, ...complaints: readonly Complaint[]): Resolved => ({ is: "faulty", declared, complaints });

function idOf(declared: Declared, params: Readonly<Record<string, unknown>>): string {
  const named = params[KINDS[declared.type].namedBy] ?? declared.key;
  return `${declared.type}/${typeof named === "string" ? named : ""}`;
}

interface Filled {
  readonly params: Readonly<Record<string, unknown>>;
  readonly usesSecret: boolean;
  /** Paths whose text was made by a lone `{{ … }}` and is no text: they may turn into one where the schema wants it. */
  readonly scalars: readonly (readonly (string | number)[])[];
}

/** Liquid in the strings of YAML params. */
function fillIn(declared: Declared, context: ResolveContext): Filled | Resolved {
  const { templates } = context;
  if (!declared.templated || templates === undefined || !holdsTemplate(declared.params)) return { params: declared.params, usesSecret: false, scalars: [] };
  const state = { usesSecret: false, scalars: new Array<readonly (string | number)[]>(), complaints: new Array<Complaint>() };
  const walk = (value: unknown, path: readonly (string | number)[]): unknown => {
    if (typeof value === "string") {
      if (!isTemplate(value)) return value;
      const rendered = templates.value(value);
      if (!rendered.ok) {
        state.complaints.push({ at: [declared.type, ...path], message: rendered.message, remedy: rendered.remedy });
        return "";
      }
      state.usesSecret ||= rendered.usesSecret;
      if (typeof rendered.value === "number" || typeof rendered.value === "boolean") state.scalars.push(path);
      return rendered.value;
    }
    if (Array.isArray(value)) return value.map((item, at) => walk(item, [...path, at]));
    if (!isMap(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, [...path, key])]));
  };
  const params = walk(declared.params, []);
  if (state.complaints.length > 0 || !isMap(params)) return faulty(declared, ...state.complaints);
  return { params, usesSecret: state.usesSecret, scalars: state.scalars };
}

function holdsTemplate(value: unknown): boolean {
  if (typeof value === "string") return isTemplate(value);
  if (Array.isArray(value)) return value.some(holdsTemplate);
  return isMap(value) && Object.values(value).some(holdsTemplate);
}

type Validated = { readonly ok: true; readonly params: Readonly<Record<string, unknown>> } | { readonly ok: false; readonly issues: readonly Issue[] };

/** `port: "{{ settings.port }}"` gives the number 25; where a text is wanted, "25" was meant. */
function validated(schema: ZodMiniType, params: Readonly<Record<string, unknown>>, scalars: Filled["scalars"]): Validated {
  const parsed = schema.safeParse(params);
  if (parsed.success) return isMap(parsed.data) ? { ok: true, params: parsed.data } : { ok: false, issues: [] };
  const wantText = parsed.error.issues.filter(
    (issue) => issue.code === "invalid_type" && issue.expected === "string" && scalars.some((path) => path.join("\0") === issue.path.join("\0")),
  );
  if (wantText.length === 0) return { ok: false, issues: issuesOf(parsed.error, params) };
  let texts: Readonly<Record<string, unknown>> = params;
  for (const issue of wantText) texts = withText(texts, issue.path);
  return validated(schema, texts, []);
}

function withText(params: Readonly<Record<string, unknown>>, path: readonly PropertyKey[]): Readonly<Record<string, unknown>> {
  const copy = structuredClone(params);
  const last = path.at(-1);
  const holder = valueAt(
    copy,
    path.slice(0, -1).map((part) => (typeof part === "number" ? part : String(part))),
  );
  if (typeof holder === "object" && holder !== null && last !== undefined) Reflect.set(holder, last, String(Reflect.get(holder, last)));
  return copy;
}

function complaintOf(declared: Declared, issue: Issue, schema: ZodMiniType): Complaint {
  const name = issue.path.at(-1);
  const known = "shape" in schema && typeof schema.shape === "object" && schema.shape !== null ? Object.keys(schema.shape) : [];
  if (issue.path.length === 1 && typeof name === "string" && !known.includes(name)) {
    return { at: [declared.type, name], message: `${declared.type} has no parameter ${shown(name)}`, remedy: keysRemedy(name, known) };
  }
  if (issue.path.length === 1 && name === KINDS[declared.type].namedBy && declared.params[String(name)] === undefined) {
    return { at: [], message: `the key ${issue.message}`, remedy: `It is the ${declared.type}'s ${String(name)} unless the parameters say another.` };
  }
  return { at: [declared.type, ...issue.path], message: issue.message, remedy: issue.remedy };
}

function finished(declared: Declared, checked: Readonly<Record<string, unknown>>, filled: Filled, context: ResolveContext): Resolved {
  let params = checked;
  let usesSecret = filled.usesSecret;
  if (declared.type === "file" && typeof params["template"] === "string") {
    const { template, ...others } = params;
    const rendered = fromTemplate(declared, String(template), context);
    if ("is" in rendered) return rendered;
    params = { ...others, content: rendered.text };
    usesSecret ||= rendered.usesSecret;
  }
  const source = params["source"];
  if (declared.type === "file" && typeof source === "string" && context.paths !== undefined && !context.paths.has(source)) {
    const guess = nearest(source, [...context.paths].filter((path) => path.startsWith("files/")).slice(0, 2_000));
    return faulty(declared, {
      at: ["file", "source"],
      message: `there is no ${source}`,
      remedy: guess === undefined ? PUT_IT_THERE : `Did you mean ${guess}?`,
    });
  }
  const isSensitive = declared.sensitive || usesSecret;
  if (isSensitive && declared.type === "file" && params["mode"] === undefined) params = { ...params, mode: "0600" };
  if (declared.type === "directory") params = { ...params, managed: [] };
  const name = String(params[KINDS[declared.type].namedBy]);
  const frame = {
    id: `${declared.type}/${name}`,
    name,
    require: declared.require,
    watch: declared.watch,
    onFail: declared.onFail,
    sensitive: isSensitive,
    from: declared.from,
  };
  return { is: "resource", resource: resourceOf(frame, declared.type, params), declared };
}

/** The schema of `type` has just accepted `params`; TypeScript cannot follow that through the table. */
function resourceOf(frame: object, type: ResourceType, params: Readonly<Record<string, unknown>>): Resource {
  return { ...frame, type, params } as Resource;
}

const PUT_IT_THERE = "Put the file there: paths go from the fleet directory, below files/.";

function fromTemplate(declared: Declared, template: string, context: ResolveContext): { readonly text: string; readonly usesSecret: boolean } | Resolved {
  const text = Object.hasOwn(context.sources, template) ? context.sources[template] : undefined;
  if (text === undefined) {
    const guess = nearest(
      template,
      Object.keys(context.sources)
        .filter((path) => path.endsWith(".liquid"))
        .slice(0, 2_000),
    );
    const isNamed = template.endsWith(".liquid");
    const message = isNamed ? `there is no ${template}` : `${template} is not a template: its name has to end in .liquid`;
    const remedy =
      guess !== undefined ? `Did you mean ${guess}?` : isNamed ? PUT_IT_THERE : `Call the file ${template}.liquid, or use it as it is with \`source\`.`;
    return faulty(declared, { at: ["file", "template"], message, remedy });
  }
  if (!isTemplate(text)) return { text, usesSecret: false };
  const rendered = context.templates?.text(text);
  assert(rendered !== undefined, "templates are open when an entry needs them");
  if (!rendered.ok) {
    const { line, column, message, remedy } = rendered;
    return {
      is: "faulty-template",
      fault: { file: template, line, column, path: `for ${idOf(declared, declared.params)}`, message, ...(remedy === undefined ? {} : { remedy }) },
    };
  }
  if (typeof rendered.value !== "string" || rendered.value.length > CONTENT_CHARS_MAX)
    return faulty(declared, { at: ["file", "template"], message: `gives more than ${CONTENT_CHARS_MAX} characters` });
  return { text: rendered.value, usesSecret: rendered.usesSecret };
}
