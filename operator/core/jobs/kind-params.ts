import * as z from "zod/mini";
import { parseDuration } from "../../../shared/cli/age.ts";
import { base64, fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { Fault } from "../../../shared/core/fault.ts";
import { checkOp, isOpKind, OP_KIND_NAMES, OP_KINDS, type OpKindName } from "../../../shared/ops/catalogue.ts";
import { didYouMean } from "../cli/did-you-mean.ts";

/**
 * `key=value` words to the params of a kind, by that kind's own schema: `lines=50` is a number because the schema says so. `key=@FILE`
 * takes a file's content, `key=@@text` a text that begins with `@`; lists are `a,b` or the key again; times of `…_s` may be `5m`.
 * Nothing is guessed past the schema: a key that the kind does not have is refused with what it has.
 */
export type ReadParamFile = (path: string) => Promise<Uint8Array>;

/** Params that are bytes: their text form is base64, which nobody types. */
const BYTES: ReadonlySet<string> = new Set(["cmd.run stdin", "file.put content"]);

const COMMAND_TEXT = "A command comes after --, such as: felhom run box-1 cmd.run -- uptime -p, or a script with --script FILE.";

type Shape = "text" | "number" | "boolean" | "list" | "json";

export function readKind(typed: string): OpKindName {
  if (isOpKind(typed)) return typed;
  const guesses = didYouMean(typed, OP_KIND_NAMES);
  throw new Fault("bad_request", `Cannot run ${typed}: there is no such kind of op`, {
    remedy: guesses.length > 0 ? `Did you mean ${guesses.join(" or ")}?` : `There are ${OP_KIND_NAMES.join(", ")}.`,
  });
}

export async function readParams(
  kind: OpKindName,
  words: readonly string[],
  given: Readonly<Record<string, unknown>>,
  readFile: ReadParamFile,
): Promise<Readonly<Record<string, unknown>>> {
  const shapes = shapesOf(kind);
  const params: Record<string, unknown> = { ...given };
  for (const word of words) {
    const at = word.indexOf("=");
    const key = word.slice(0, at);
    if (at <= 0)
      throw new Fault("bad_request", `Cannot use ${word}: params are KEY=VALUE`, {
        remedy: kind === "cmd.run" ? COMMAND_TEXT : paramsText(kind, shapes),
      });
    const shape = shapes.get(key);
    if (shape === undefined) {
      const guesses = didYouMean(key, [...shapes.keys()]);
      throw new Fault("bad_request", `Cannot use ${key}: ${kind} has no such param`, {
        remedy: guesses.length > 0 ? `Did you mean ${guesses.join(" or ")}?` : paramsText(kind, shapes),
      });
    }
    const before = params[key];
    if (before !== undefined && shape !== "list") throw new Fault("bad_request", `Cannot use ${key} twice`);
    const value = await valueOf(`${kind} ${key}`, key, word.slice(at + 1), shape, readFile);
    params[key] = Array.isArray(before) && Array.isArray(value) ? [...before, ...value] : value;
  }
  const checked = checkOp(kind, params);
  if (!checked.ok) {
    const hasNothing = kind === "cmd.run" && params["argv"] === undefined && params["script"] === undefined;
    throw new Fault("bad_request", `Cannot run ${kind}: ${checked.detail}`, { remedy: hasNothing ? COMMAND_TEXT : paramsText(kind, shapes) });
  }
  return params;
}

/** What a kind takes, for messages and help: `lines`, `since_s`. */
export function paramNames(kind: OpKindName): readonly string[] {
  return [...shapesOf(kind).keys()];
}

function paramsText(kind: OpKindName, shapes: ReadonlyMap<string, Shape>): string {
  return shapes.size === 0 ? `${kind} takes no params.` : `${kind} takes ${[...shapes.keys()].join(", ")}.`;
}

async function valueOf(name: string, key: string, text: string, shape: Shape, readFile: ReadParamFile): Promise<unknown> {
  const file = text.startsWith("@") && !text.startsWith("@@") ? await readFile(text.slice(1)) : undefined;
  const plain = text.startsWith("@@") ? text.slice(1) : text;
  if (BYTES.has(name)) return base64(file ?? utf8(plain));
  const content = file === undefined ? plain : decoded(file, key);
  switch (shape) {
    case "text":
      return content;
    case "number":
      return numberOf(key, content.trim());
    case "boolean":
      if (content === "true" || content === "yes") return true;
      if (content === "false" || content === "no") return false;
      throw new Fault("bad_request", `Cannot use ${key}=${content}: yes or no is wanted`);
    case "list":
      if (content.trimStart().startsWith("[")) return jsonOf(key, content);
      return (file === undefined ? content.split(",") : content.split("\n")).map((part) => part.trim()).filter((part) => part !== "");
    case "json":
      return jsonOf(key, content);
  }
}

function numberOf(key: string, text: string): number {
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  const ms = parseDuration(text);
  const unitMs = key.endsWith("_s") ? 1_000 : key === "minutes" ? 60_000 : undefined;
  if (ms !== undefined && unitMs !== undefined && ms % unitMs === 0) return ms / unitMs;
  throw new Fault("bad_request", `Cannot use ${key}=${text}: a whole number is wanted`);
}

function jsonOf(key: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Fault("bad_request", `Cannot use ${key}: it is not JSON`, { cause });
  }
}

function decoded(bytes: Uint8Array, key: string): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new Fault("bad_request", `Cannot use the file for ${key}: it is not UTF-8`, { cause });
  }
}

/** Top-level properties of the kind's schema, of all its forms. */
function shapesOf(kind: OpKindName): ReadonlyMap<string, Shape> {
  const schema: unknown = z.toJSONSchema(OP_KINDS[kind].schema, { io: "input", unrepresentable: "any" });
  const shapes = new Map<string, Shape>();
  const walk = (node: unknown): void => {
    if (!isMap(node)) return;
    for (const form of listOf(node["anyOf"] ?? node["oneOf"])) walk(form);
    if (isMap(node["properties"])) for (const [key, property] of Object.entries(node["properties"])) shapes.set(key, shapeOf(property));
  };
  walk(schema);
  return shapes;
}

function shapeOf(property: unknown): Shape {
  if (!isMap(property)) return "json";
  switch (property["type"]) {
    case "string":
      return "text";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "array":
      return "list";
    case "object":
      return "json";
    default:
      break;
  }
  const constant = property["const"];
  if (typeof constant === "string") return "text";
  if (typeof constant === "boolean") return "boolean";
  // A form that the schema can't write down as JSON Schema, such as a hash, says nothing: the next one does.
  return (
    listOf(property["anyOf"] ?? property["oneOf"])
      .map(shapeOf)
      .find((shape) => shape !== "json") ?? "json"
  );
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
