import { age, byteSize, isoTime } from "../../../shared/cli/age.ts";
import { yamlText } from "../../../shared/cli/yaml-text.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import type { Answer } from "./job-book.ts";

/** A host's answer as lines for people and as plain data for machines. The lines are untrusted: whoever prints them escapes them. */
export function answerLines(answer: Answer, how: { readonly folded: boolean } = { folded: false }): readonly string[] {
  return [
    ...outputLines(answer.stdout, ""),
    ...outputLines(answer.stderr, answer.stdout.byteLength > 0 ? "stderr: " : ""),
    ...dataLines(how.folded ? withoutTimes(answer.data) : answer.data),
    ...answerMarks(answer),
  ];
}

/** What is missing of the output. They end the lines, and are shown however few of the others are. */
export function answerMarks(answer: Answer): readonly string[] {
  return [
    ...(answer.truncated ? ["… cut: the box dropped what was above the limit of this op"] : []),
    ...(answer.incomplete ? ["… incomplete: parts of the output are missing here"] : []),
  ];
}

/** How long it runs, or took: no two hosts say the same, and nobody folds by it. `-o json` has it. */
const TIMES: ReadonlySet<string> = new Set(["uptime_ms", "duration_ms"]);

function withoutTimes(data: unknown): unknown {
  if (typeof data !== "object" || data === null || Array.isArray(data)) return data;
  return Object.fromEntries(Object.entries(data).filter(([key]) => !TIMES.has(key)));
}

/** Wall times among an answer's fields: milliseconds on the wire and in `-o json`. */
const MOMENTS: ReadonlySet<string> = new Set(["paused_until", "refuses_before", "mtime_ms"]);
/** What `Date` can spell. */
const WALL_MS_MAX = 8.64e15;

/** `mtime_ms: 1764288000000` as `mtime: 2025-11-28T00:00:00Z`. What is no number of that kind stays as the box wrote it. */
function readable([key, value]: readonly [string, unknown]): readonly [string, unknown] {
  const name = key.replace(/_ms$/, "");
  if (typeof value !== "number" || value < 0 || value > WALL_MS_MAX) return [key, value];
  if (MOMENTS.has(key)) return [name, isoTime(value)];
  return TIMES.has(key) ? [name, age(value)] : [key, value];
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
  const entries = Array.isArray(data) ? Object.entries(data) : Object.entries(data).map(readable);
  if (entries.length === 0) return [];
  // A single text, such as a plan, is best read as it is.
  const [[, only] = ["", undefined]] = entries;
  if (entries.length === 1 && typeof only === "string") return only.replace(/\n$/, "").split("\n");
  if (!Array.isArray(data) && entries.length <= 8 && entries.every(([, value]) => typeof value !== "object" || value === null))
    return [entries.map(([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`).join("  ")];
  return yamlText(Array.isArray(data) ? data : Object.fromEntries(entries))
    .replace(/\n$/, "")
    .split("\n");
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
