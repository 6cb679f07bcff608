import { safeJson } from "./escape.ts";

/**
 * Block YAML for `-o yaml`. YAML 1.2 is a superset of JSON, so every string that is not plainly a word is written as a JSON
 * string: no quoting rules to get wrong, and nothing unescaped reaches a terminal. Loading the yaml library would cost 10 ms.
 */
const PLAIN = /^[A-Za-z_][A-Za-z0-9_./@+-]*$/;
/** Words that some YAML reader takes for something else than a string. */
const RESERVED = /^(?:null|true|false|yes|no|on|off|y|n|~|\.nan|\.inf)$/i;

export function yamlText(value: unknown): string {
  return `${lines(JSON.parse(JSON.stringify(value) ?? "null"), 0).join("\n")}\n`;
}

function lines(value: unknown, depth: number): readonly string[] {
  const indent = "  ".repeat(depth);
  if (Array.isArray(value) && value.length > 0) {
    return value.flatMap((item: unknown) => {
      const [first = "", ...rest] = isNested(item) ? lines(item, depth + 1) : [scalar(item)];
      return [`${indent}- ${first.trimStart()}`, ...rest];
    });
  }
  if (typeof value === "object" && value !== null && isNested(value)) {
    return Object.entries(value).flatMap(([key, item]: [string, unknown]) =>
      isNested(item) ? [`${indent}${text(key)}:`, ...lines(item, depth + 1)] : [`${indent}${text(key)}: ${scalar(item)}`],
    );
  }
  return [`${indent}${scalar(value)}`];
}

function isNested(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length > 0;
}

function scalar(value: unknown): string {
  return typeof value === "string" ? text(value) : safeJson(value);
}

function text(value: string): string {
  return PLAIN.test(value) && !RESERVED.test(value) ? value : safeJson(value);
}
