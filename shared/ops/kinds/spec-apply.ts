import * as z from "zod/mini";
import { text } from "../../protocol/fields.ts";
import { described } from "../fields.ts";
import { opKind, MINUTE_MS } from "../op-kind.ts";

const FIELDS_MAX = 32;
const fieldName = z.string().check(z.regex(/^[a-z][a-z0-9_]{0,63}$/, { message: "is not a field of a spec" }));
/** JSON as text, so that what a signer reads is, letter by letter, what the host compares. */
const json = text(16 * 1_024).check(
  z.refine(
    (spelled) => {
      try {
        return JSON.stringify(JSON.parse(spelled)) === spelled;
      } catch {
        return false;
      }
    },
    { message: "is not JSON in its shortest form" },
  ),
);

const schema = z.strictObject({
  generation: described(z.int().check(z.minimum(1), z.maximum(Number.MAX_SAFE_INTEGER)), "Of the host's spec: the op is for this one and no other."),
  fields: described(
    z
      .record(fieldName, z.strictObject({ from: json, to: json }))
      .check(z.refine((map) => Object.keys(map).length > 0 && Object.keys(map).length <= FIELDS_MAX, { message: `has no field, or more than ${FIELDS_MAX}` })),
    "Each destructive difference: what is in force and what is wanted, as JSON text; `null` is not set.",
  ),
});

/** What a field does, for eyes that did not write it. One that is not known here is shown as it is spelled. */
function effectOf(name: string, to: string): readonly string[] {
  if (name !== "retire" || to !== "true") return [];
  return ["leave the fleet, as by agent.forget: the host's keys, its desired state and its secrets at rest are deleted, and the agent stops"];
}

export const specApply = opKind({
  kind: "spec.apply",
  class: "destroy",
  summary: "Lets a host apply the destructive part of one generation of its spec.",
  aims: "host",
  schema,
  describe: ({ generation, fields }) => [
    `apply what generation ${generation} of the host's spec changes destructively`,
    ...Object.entries(fields).flatMap(([name, { from, to }]) => [`${name}: ${from} becomes ${to}`, ...effectOf(name, to)]),
  ],
  offline: "replace",
  exclusive: true,
  idempotent: true,
  timeoutMs: () => 5 * MINUTE_MS,
  unsignedByDefault: false,
  example: { generation: 7, fields: { retire: { from: "false", to: "true" } } },
});
