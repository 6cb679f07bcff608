import * as z from "zod/mini";
import { REFUSALS, type Refusal } from "../trust/verdict.ts";
import { checkOp, describeOp, OP_KIND_NAMES, OP_KINDS, type OpKindName, timeoutMsOf } from "./catalogue.ts";
import { durationText } from "./describe.ts";
import type { OfflineRule, OpClass } from "./op-kind.ts";

/** The reference page of ops, in Markdown, made from the catalogue: `scripts/docs` writes it and a drift test compares. */
export function opsReference(): string {
  const rows = OP_KIND_NAMES.map((kind) => `| [\`${kind}\`](#${kind.replaceAll(".", "")}) | ${OP_KINDS[kind].class} | ${OP_KINDS[kind].summary} |`);
  return [HEAD, "| kind | class | what it does |\n| --- | --- | --- |", rows.join("\n"), "", ...OP_KIND_NAMES.map(section), REFUSED, refusals()].join("\n");
}

const HEAD = `# Ops

An op is one signed instruction: a kind, its parameters, a target and a window of time. \`felhom run TARGET KIND [NAME=VALUE …]\` signs one at once;
what others drafted waits for \`felhom-sign --pending\`. Each box decides by itself whether it is meant and whether it may, runs it at most once, and
answers with its own signature.

The class says what may go wrong, and so who has to sign: \`read\` and \`change\` need the keys and the threshold of the role \`operate\`, \`destroy\` those
of the role \`destroy\`. Kinds that need no signature are taken without one for an hour at most, unless the box's own \`/etc/felhom/policy.yaml\`
wants it signed. That file can deny kinds, raise their class, ask for more signers, narrow windows and shorten lifetimes; it can't allow anything.
`;

const OFFLINE: Readonly<Record<OfflineRule, string>> = {
  hold: "waits until it expires",
  drop: "is dropped",
  replace: "waits, and a newer one of the same kind and target takes its place",
};
const ROLE: Readonly<Record<OpClass, string>> = { read: "operate", change: "operate", destroy: "destroy" };

function section(kind: OpKindName): string {
  const { summary, aims, unsignedByDefault, exclusive, idempotent, offline, class: opClass, example } = OP_KINDS[kind];
  const op = checkOp(kind, example);
  const rows: readonly (readonly [string, string])[] = [
    ["class", `\`${opClass}\``],
    ["signed by", unsignedByDefault ? "nobody has to; else role `operate`" : `role \`${ROLE[opClass]}\``],
    ["aimed at", aims === "guest" ? "one guest of a host" : "a host, or all that an expression means"],
    ["beside others", exclusive ? "no, it runs alone" : "yes"],
    ["after a crash", idempotent ? "may run again" : "ends as `interrupted` and never runs again"],
    ["host is away", OFFLINE[offline]],
    ["time limit", op.ok ? `${durationText(timeoutMsOf(op.value))} in the example` : ""],
  ];
  const described = op.ok ? describeOp(op.value) : [];
  return [
    `## ${kind}\n`,
    `${summary}\n`,
    "| | |\n| --- | --- |",
    ...rows.map(([name, value]) => `| ${name} | ${value} |`),
    "",
    ...formsOf(kind),
    `\`\`\`json\n${JSON.stringify(example)}\n\`\`\`\n`,
    `A signer reads:\n\n\`\`\`text\n${described.join("\n")}\n\`\`\`\n`,
  ].join("\n");
}

type Schema = Readonly<Record<string, unknown>>;
const isSchema = (value: unknown): value is Schema => typeof value === "object" && value !== null && !Array.isArray(value);

/** A table of parameters; several where a kind takes one of several forms. */
function formsOf(kind: OpKindName): readonly string[] {
  const schema: unknown = z.toJSONSchema(OP_KINDS[kind].schema, { io: "input", unrepresentable: "any" });
  const forms = isSchema(schema) && Array.isArray(schema["anyOf"]) ? schema["anyOf"].filter(isSchema) : isSchema(schema) ? [schema] : [];
  const tables = forms.map(parameters);
  return tables.every((table) => table === "") ? ["It takes no parameters.\n"] : tables.map((table, at) => (at === 0 ? table : `or\n\n${table}`));
}

function parameters(form: Schema): string {
  const properties = isSchema(form["properties"]) ? Object.entries(form["properties"]) : [];
  const required = Array.isArray(form["required"]) ? form["required"] : [];
  if (properties.length === 0) return "";
  const rows = properties.map(([name, property]) => {
    const { description, default: preset } = isSchema(property) ? property : {};
    const shown = preset === undefined ? "" : ` Default: \`${JSON.stringify(preset)}\`.`;
    const cell = `${typeof description === "string" ? description : ""}${shown}`.replaceAll("|", "\\|");
    return `| \`${name}\`${required.includes(name) && preset === undefined ? " (required)" : ""} | ${takes(isSchema(property) ? property : {})} | ${cell} |`;
  });
  return `| parameter | takes | what it says |\n| --- | --- | --- |\n${rows.join("\n")}\n`;
}

function takes(property: Schema): string {
  const { enum: values, const: only, anyOf, type, items, minimum, maximum, maxLength } = property;
  if (only !== undefined) return `\`${JSON.stringify(only)}\``;
  if (Array.isArray(values)) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (Array.isArray(anyOf)) return [...new Set(anyOf.map((one) => takes(isSchema(one) ? one : {})))].join(" or ");
  switch (type) {
    case "string":
      return typeof maxLength === "number" ? `text, at most ${maxLength} characters` : "text";
    case "integer":
      return typeof minimum === "number" && typeof maximum === "number" && maximum < Number.MAX_SAFE_INTEGER ? `${minimum} to ${maximum}` : "whole number";
    case "boolean":
      return "`true`, `false`";
    case "array":
      return `list of ${isSchema(items) && items["type"] === "string" ? "texts" : "values"}`;
    case "object":
      return "map";
    default:
      return "text";
  }
}

const REFUSED = `## When a box refuses

In the order in which a box looks; when two things are wrong, the first one speaks.

| code | what it means |
| --- | --- |`;

/** The order of `agent/core/ops/admit.ts`, whose tests hold it. */
const ORDER: readonly Refusal[] = [
  "envelope_malformed",
  "envelope_too_large",
  "wrong_type",
  "key_unknown",
  "signature_bad",
  "threshold_not_met",
  "payload_not_utf8",
  "payload_not_json",
  "payload_duplicate_key",
  "payload_too_deep",
  "payload_unsafe_number",
  "payload_bad_version",
  "payload_schema",
  "fleet_mismatch",
  "op_target_mismatch",
  "from_future",
  "expired",
  "lifetime_too_long",
  "below_floor",
  "op_clock_unset",
  "op_replayed",
  "op_ledger_unsafe",
  "op_kind_unknown",
  "op_params",
  "op_policy",
  "op_precondition",
];

const refusals = (): string => `${ORDER.map((code) => `| \`${code}\` | ${REFUSALS[code]} |`).join("\n")}\n`;
