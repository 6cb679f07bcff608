import * as z from "zod/mini";
import { type Field, type Fields, flagOf, variableOf, yamlKeyOf } from "./field.ts";
import { ROLE_FIELDS, SETTINGS_FILE } from "./role-settings.ts";

/** The settings reference as Markdown, from the same tables that parse them. */
export function settingsReference(): string {
  const roles = Object.entries(ROLE_FIELDS).map(
    ([role, fields]) =>
      `## felhom ${role}\n\nFile: \`${SETTINGS_FILE[role as keyof typeof SETTINGS_FILE]}\`, or the one that \`--config FILE\` names.\n\n| key in the file | flag | variable | default | allowed | meaning |\n| --- | --- | --- | --- | --- | --- |\n${rows(fields as Fields)}\n`,
  );
  return `# Settings\n\nA flag wins over a variable, a variable over the file, the file over the default. \`felhom config print\` shows each value and where it comes from; \`felhom config explain KEY\` says more of one. Lists are written with commas in flags and variables.\n\n${roles.join("\n")}`;
}

function rows(fields: Fields): string {
  return Object.entries(fields)
    .map(
      ([key, field]) =>
        `| \`${yamlKeyOf(key)}\` | \`${flagOf(key)}\` | \`${variableOf(key)}\` | ${shown(field.default)} | ${allowed(field)} | ${field.help.replaceAll("|", "\\|")} |`,
    )
    .join("\n");
}

function shown(value: unknown): string {
  if (value === "" || (Array.isArray(value) && value.length === 0)) return "–";
  return `\`${Array.isArray(value) ? value.join(",") : String(value)}\``;
}

function allowed(field: Field): string {
  const schema = z.toJSONSchema(field.schema);
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  if (schema.minimum !== undefined && schema.maximum !== undefined) return `${schema.minimum} … ${schema.maximum}`;
  return schema.type === "array" ? "list" : schema.pattern === "^(\\/.*)?$" ? "absolute path" : String(schema.type ?? "");
}
