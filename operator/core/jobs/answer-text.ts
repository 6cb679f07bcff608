import { byteSize } from "../../../shared/cli/age.ts";
import { yamlText } from "../../../shared/cli/yaml-text.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import type { Answer } from "./job-book.ts";

/** A host's answer as lines for people and as plain data for machines. The lines are untrusted: whoever prints them escapes them. */
export function answerLines(answer: Answer): readonly string[] {
  return [
    ...outputLines(answer.stdout, ""),
    ...outputLines(answer.stderr, answer.stdout.byteLength > 0 ? "stderr: " : ""),
    ...dataLines(answer.data),
    ...(answer.truncated ? ["… cut: the box dropped what was above the limit of this op"] : []),
    ...(answer.incomplete ? ["… incomplete: parts of the output are missing here"] : []),
  ];
}

/** Text, or a remark about bytes that are none. */
function outputLines(bytes: Uint8Array, prefix: string): readonly string[] {
  if (bytes.byteLength === 0) return [];
  const text = textOf(bytes);
  if (text === undefined) return [`${prefix}${byteSize(bytes.byteLength)} that are no text, sha256 ${sha256Hex(bytes)}`];
  return text
    .replace(/\r?\n$/, "")
    .split(/\r?\n/)
    .map((line) => prefix + line);
}

/** UTF-8, or with a few wrong bytes shown as such; what holds NUL is no text. */
export function textOf(bytes: Uint8Array): string | undefined {
  return bytes.includes(0) ? undefined : new TextDecoder().decode(bytes);
}

function dataLines(data: unknown): readonly string[] {
  if (data === undefined || data === null) return [];
  if (typeof data === "string") return data.replace(/\n$/, "").split("\n");
  if (typeof data !== "object") return [JSON.stringify(data)];
  const entries = Object.entries(data);
  if (entries.length === 0) return [];
  // A single text, such as a plan, is best read as it is.
  const [[, only] = ["", undefined]] = entries;
  if (entries.length === 1 && typeof only === "string") return only.replace(/\n$/, "").split("\n");
  if (!Array.isArray(data) && entries.length <= 8 && entries.every(([, value]) => typeof value !== "object" || value === null))
    return [entries.map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`).join("  ")];
  return yamlText(data).replace(/\n$/, "").split("\n");
}

export function answerData(answer: Answer): Readonly<Record<string, unknown>> {
  const { state, code, detail, exit, signal, durationMs, stdout, stderr, truncated, incomplete, data } = answer;
  return {
    state,
    exit: exit ?? null,
    ...(signal === undefined ? {} : { signal }),
    ...(code === undefined ? {} : { code }),
    ...(detail === undefined ? {} : { detail }),
    ms: durationMs ?? null,
    ...bytesData("stdout", stdout),
    ...bytesData("stderr", stderr),
    ...(truncated ? { truncated } : {}),
    ...(incomplete ? { incomplete } : {}),
    ...(data === undefined ? {} : { data }),
  };
}

/** `stdout` when it is text to the last byte, else `stdoutBase64`. */
function bytesData(name: string, bytes: Uint8Array): Readonly<Record<string, string>> {
  if (bytes.byteLength === 0) return {};
  try {
    return { [name]: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { [`${name}Base64`]: Buffer.from(bytes).toString("base64") };
  }
}
