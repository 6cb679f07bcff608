import { Fault, isFault } from "../core/fault.ts";
import type { Files } from "../ports/files.ts";

const SETTINGS_BYTES_MAX = 256 * 1024;

/** A settings file as YAML: duplicate keys refused, each key's line known. The parser is loaded only when there is a file. */
export async function readSettingsFile(
  files: Files,
  path: string,
  required: boolean,
): Promise<{ readonly path: string; readonly values: unknown; readonly lineOf: (key: string) => number | undefined } | undefined> {
  let bytes: Uint8Array;
  try {
    bytes = files.read("settings.read", path, { bytesMax: SETTINGS_BYTES_MAX, follow: true });
  } catch (error) {
    if (!isFault(error, "file_missing")) throw error;
    if (!required) return undefined;
    throw new Fault("file_missing", `Cannot read the settings in ${path}: there is no such file`, {
      cause: error,
      remedy: "Name one that is there, or leave --config and FELHOM_CONFIG out: the usual file is read then, if there is one.",
    });
  }
  const { LineCounter, parseDocument, isMap, isScalar } = await import("yaml");
  const counter = new LineCounter();
  const document = parseDocument(new TextDecoder("utf-8", { fatal: true }).decode(bytes), { lineCounter: counter, uniqueKeys: true, schema: "core" });
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = counter.linePos(error.pos[0]);
    throw new Fault("bad_settings", `Cannot read ${path}:${line}:${col}: ${error.message.split("\n")[0] ?? error.code}`);
  }
  const lines = new Map<string, number>();
  if (isMap(document.contents)) {
    for (const { key } of document.contents.items) if (isScalar(key) && key.range) lines.set(String(key.value), counter.linePos(key.range[0]).line);
  }
  return { path, values: document.toJS({ maxAliasCount: 16 }), lineOf: (key) => lines.get(key) };
}
