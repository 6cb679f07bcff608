/**
 * The only way for text from outside (a box, a hub, a file's content) onto a terminal. Everything that can move the cursor,
 * recolour, reorder or hide text becomes a visible escape. `Bun.stripANSI` is not enough: it leaves CR, BEL, NUL and bidi
 * overrides in place (measured), and dropping bytes would hide that somebody tried.
 * Never call it on felhom's own SGR sequences: colour goes on after escaping (`colour.ts`, `table.ts`).
 */

/** C0, DEL, C1, soft hyphen, grapheme joiner, bidi marks and overrides, invisible letters, zero width, line separators, annotations, tags. */
const UNSAFE =
  // oxlint-disable-next-line no-misleading-character-class -- each is a member of its own, combining or not
  /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0000}-\u{e0fff}]|\p{Surrogate}|\p{Noncharacter_Code_Point}/gu;

/** More marks than this on one letter are not writing but a way to paint over the lines above. */
const MARKS_MAX = 4;
const MARK_PILE = new RegExp(`(\\p{M}{${MARKS_MAX}})(\\p{M}+)`, "gu");

/** One line of untrusted text, safe to print anywhere. Line breaks and tabs become `\n` and `\t`. */
export function escapeUntrusted(text: string): string {
  return text.replace(MARK_PILE, (_, kept: string, rest: string) => kept + Array.from(rest, visible).join("")).replace(UNSAFE, visible);
}

/** The same for text that may have several lines: line feeds stay, tabs become two spaces. */
export function escapeLines(text: string): string {
  return text
    .split("\n")
    .map((line) => escapeUntrusted(line.replaceAll("\t", "  ")))
    .join("\n");
}

/** JSON that is also safe to look at: everything `escapeUntrusted` would escape is written as `\uXXXX`, which parses back to the same. */
export function safeJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, undefined, indent).replace(UNSAFE, (character) => (character === "\n" ? character : utf16(character)));
}

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0" };

function visible(character: string): string {
  const known = SHORT[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\u{${code.toString(16)}}`;
}

function utf16(character: string): string {
  return Array.from({ length: character.length }, (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");
}
