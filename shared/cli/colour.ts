import type { Terminal } from "../ports/terminal.ts";

/**
 * Colour is a second voice, never the only one: every state also has a word and a glyph. The 256-colour shades are chosen to have
 * a contrast of at least 4:1 on black and on white (tested), which the sixteen theme colours do not promise.
 */
export const STYLES = {
  good: "38;5;28",
  warn: "38;5;130",
  bad: "1;38;5;160",
  quiet: "38;5;243",
  accent: "38;5;32",
  strong: "1",
  plain: "",
} as const;
export type Style = keyof typeof STYLES;

/** `text` must be escaped already. */
export function paint(terminal: Pick<Terminal, "colour">, style: Style, text: string): string {
  return terminal.colour && style !== "plain" && text !== "" ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text;
}

/** cli.md rule 3 and no-color.org: a flag wins; else only on a terminal that can, when NO_COLOR is absent or empty. */
export function wantsColour(asked: {
  readonly flag: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly isTty: boolean;
}): boolean {
  if (asked.flag === "always") return true;
  if (asked.flag === "never") return false;
  return asked.isTty && (asked.env["NO_COLOR"] ?? "") === "" && asked.env["TERM"] !== "dumb";
}

/** Glyphs beyond ASCII need a UTF-8 locale: the first of these that is set decides, as in setlocale(3). */
export function wantsUnicode(asked: { readonly ascii: boolean; readonly env: Readonly<Record<string, string | undefined>> }): boolean {
  if (asked.ascii) return false;
  const locale = [asked.env["LC_ALL"], asked.env["LC_CTYPE"], asked.env["LANG"]].find((value) => value !== undefined && value !== "");
  return locale !== undefined && /utf-?8/i.test(locale);
}
