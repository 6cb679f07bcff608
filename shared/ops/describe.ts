import { fromUtf8 } from "../core/bytes.ts";
import { sha256Hex } from "../core/sha256.ts";

/**
 * Content for a signer's eyes. All of it, each line behind a bar, so that no line of a script can pass for a line of the
 * description. What is no text is told by size, hash and its first bytes.
 */
export function contentLines(title: string, bytes: Uint8Array): readonly string[] {
  const head = `${title}: ${bytes.byteLength} bytes, sha256 ${sha256Hex(bytes)}`;
  if (bytes.byteLength === 0) return [head];
  const text = textOf(bytes);
  if (text === undefined) return [head, `  | not text; it begins with ${Buffer.from(bytes.subarray(0, 32)).toString("hex")}`];
  return [
    head,
    ...text
      .replace(/\n$/, "")
      .split("\n")
      .map((line) => `  | ${line}`),
  ];
}

/** Words of a command line so that their borders show: quoted as a shell would where there is anything but plain letters. */
export function argvText(argv: readonly string[]): string {
  return argv.map((word) => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

export function durationText(ms: number): string {
  const units = [
    [86_400_000, "d"],
    [3_600_000, "h"],
    [60_000, "min"],
    [1_000, "s"],
  ] as const;
  const [size, unit] = units.find(([each]) => ms >= each && ms % each === 0) ?? [1, "ms"];
  return `${ms / size} ${unit}`;
}

function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return fromUtf8(bytes);
  } catch {
    return undefined;
  }
}
