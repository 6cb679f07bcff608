import type { Liquid } from "liquidjs";

/**
 * Liquid, as templates of files and in the parameters of YAML states: `settings`, `facts`, `labels`, `secrets`, `host`. No
 * code runs in it and no file is read. A name that is not there is a fault naming it, never an empty text; `| default:` and
 * `{% if %}` may ask for what may be missing. What differs from run to run (dates, samples) is not there.
 */

export interface TemplateScope {
  readonly settings: unknown;
  readonly facts: unknown;
  readonly labels: unknown;
  readonly secrets: Readonly<Record<string, string>>;
  readonly host: { readonly id: string; readonly name: string };
}

export type Rendered =
  | { readonly ok: true; readonly value: unknown; readonly usesSecret: boolean }
  | { readonly ok: false; readonly line: number; readonly column: number; readonly message: string; readonly remedy?: string };

export interface Templates {
  /** The text that a template gives. */
  readonly text: (template: string) => Rendered;
  /** A parameter: a lone `{{ … }}` keeps its list, map, number or truth value; anything else is text. */
  readonly value: (template: string) => Rendered;
}

export const TEMPLATE_CHARS_MAX = 1024 * 1024;
const OUTPUT_UNITS_MAX = 16 * 1024 * 1024;
const RENDER_MS_MAX = 5_000;
/** They give something else each time they are asked, or depend on the box's clock and language. */
const FILTERS_REFUSED = ["date", "date_to_xmlschema", "date_to_rfc822", "date_to_string", "date_to_long_string", "sample"];
const TAGS_REFUSED = ["include", "render", "layout", "block"];

export const isTemplate = (text: string): boolean => text.includes("{{") || text.includes("{%");

export async function openTemplates(scope: TemplateScope): Promise<Templates> {
  const { Liquid, Tag } = await import("liquidjs");
  const engine = new Liquid({
    strictVariables: true,
    strictFilters: true,
    ownPropertyOnly: true,
    lenientIf: true,
    templates: {},
    parseLimit: TEMPLATE_CHARS_MAX,
    renderLimit: RENDER_MS_MAX,
    memoryLimit: OUTPUT_UNITS_MAX,
    timezoneOffset: 0,
    locale: "en-US",
    outputEscape: printable,
  });
  for (const name of FILTERS_REFUSED) delete engine.filters[name];
  for (const name of TAGS_REFUSED) {
    engine.registerTag(
      name,
      class extends Tag {
        constructor(...given: ConstructorParameters<typeof Tag>) {
          super(...given);
          throw new Error(`tag "${name}" is not there: a template reads no other file`);
        }
        override render(): void {}
      },
    );
  }
  const touched = { secret: false };
  const whole = {
    settings: scope.settings,
    facts: scope.facts,
    labels: scope.labels,
    host: scope.host,
    secrets: watched(scope.secrets, () => (touched.secret = true)),
  };
  const guarded = (work: () => unknown): Rendered => {
    touched.secret = false;
    try {
      const value = work();
      return { ok: true, value, usesSecret: touched.secret };
    } catch (error) {
      return complaint(error, scope);
    }
  };
  return { text: (template) => guarded(() => textOf(engine, template, whole)), value: (template) => guarded(() => valueOf(engine, template, whole)) };
}

/** What may be printed as it is. A list or map would come out as garbage, and nothing as an empty text. */
function printable(value: unknown): string {
  if (value === null || value === undefined) throw new Error("the value is nothing (null)");
  if (Array.isArray(value)) throw new Error('the value is a list: use `| join: ", "` or `| json`');
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean" || typeof value === "bigint") return String(value);
  throw new Error("the value is a map: use `| json`");
}

function textOf(engine: Liquid, template: string, scope: object): string {
  const parts = engine.parse(template);
  return String(engine.renderSync(parts, scope));
}

function valueOf(engine: Liquid, template: string, scope: object): unknown {
  const lone = /^\{\{-?([^{}]*?)-?\}\}$/.exec(template.trim())?.[1];
  if (lone === undefined) return textOf(engine, template, scope);
  const value: unknown = engine.evalValueSync(lone.trim(), scope);
  return value === undefined ? textOf(engine, template, scope) : value;
}

/** The secrets with a note taken of whether any was read. */
function watched(secrets: Readonly<Record<string, string>>, note: () => void): object {
  const map: object = Object.create(null);
  for (const [name, value] of Object.entries(secrets)) {
    Object.defineProperty(map, name, {
      enumerable: true,
      get: () => {
        note();
        return value;
      },
    });
  }
  return map;
}

function complaint(error: unknown, scope: TemplateScope): Rendered {
  if (error instanceof RangeError) return { ok: false, line: 1, column: 1, message: "the template nests too deep" };
  if (!(error instanceof Error)) throw error;
  const origin = "originalError" in error && error.originalError instanceof Error ? error.originalError.message : error.message;
  const [line, column] = placeOf(error);
  const name = /^undefined variable: (.+)$/.exec(origin)?.[1];
  if (name === undefined) {
    const message = (origin.split("\n")[0] ?? "").replace(/, line:\d+, col:\d+$/, "").slice(0, 300);
    return { ok: false, line, column, message, ...remedyFor(message) };
  }
  const [root, ...rest] = name.split(".");
  const tail = rest.join(".");
  switch (root) {
    case "settings":
      return {
        ok: false,
        line,
        column,
        message: `there is no setting ${tail || "of that name"}`,
        remedy: "Put it in a settings file that this host reads, or give a `| default:`.",
      };
    case "secrets":
      return {
        ok: false,
        line,
        column,
        message: `this host has no secret ${tail || "of that name"}`,
        remedy: "Declare it in secrets.yaml with a `match` for this host, and give it a value.",
      };
    case "labels":
      return {
        ok: false,
        line,
        column,
        message: `this host has no label ${tail || "of that name"}`,
        remedy: "Set it with `felhom host label`, or give a `| default:`.",
      };
    case "facts":
      return {
        ok: false,
        line,
        column,
        message: `this host has no fact ${tail || "of that name"}`,
        remedy: "Ask first, {% if facts.… %}, or give a `| default:`.",
      };
    default:
      return {
        ok: false,
        line,
        column,
        message: `there is no ${name}`,
        remedy: `There are ${Object.keys(scope).join(", ")}; a literal brace goes between {% raw %} and {% endraw %}.`,
      };
  }
}

const REMEDIES: readonly (readonly [RegExp, string | undefined])[] = [
  [/^the value is (?:a list|a map)/, undefined], // it says what to do
  [/^the value is nothing/, "Give it a value, or a `| default:`."],
  [/^undefined filter: /, "There are Liquid's own filters (default, join, json, upcase, …) but for dates and sample, which differ from run to run."],
  [/ is not there: a template reads no other file$/, "Write it out here, or keep the shared part in a setting."],
  [/ limit exceeded$/, "It gives too much, or takes too long: shorten its loops."],
];

/** What is left is syntax. */
function remedyFor(message: string): { readonly remedy?: string } {
  const known = REMEDIES.find(([pattern]) => pattern.test(message));
  const remedy =
    known === undefined
      ? "It is Liquid: {{ settings.x }}, {% if labels.role == 'web' %} … {% endif %}; a literal brace goes between {% raw %} and {% endraw %}."
      : known[1];
  return remedy === undefined ? {} : { remedy };
}

function placeOf(error: Error): readonly [number, number] {
  const token: unknown = "token" in error ? error.token : undefined;
  if (typeof token !== "object" || token === null || !("getPosition" in token) || typeof token.getPosition !== "function") return [1, 1];
  const place: unknown = token.getPosition();
  return Array.isArray(place) && typeof place[0] === "number" && typeof place[1] === "number" ? [place[0], place[1]] : [1, 1];
}
