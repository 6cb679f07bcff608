import type { Terminal } from "../ports/terminal.ts";
import { paint, type Style } from "./colour.ts";

/** One glyph per kind of news, with its ASCII twin and its colour. */
const GLYPHS = {
  good: { unicode: "✓", ascii: "+", style: "good" },
  change: { unicode: "~", ascii: "~", style: "warn" },
  warn: { unicode: "!", ascii: "!", style: "warn" },
  bad: { unicode: "✗", ascii: "x", style: "bad" },
  silent: { unicode: "?", ascii: "?", style: "warn" },
  off: { unicode: "·", ascii: ".", style: "quiet" },
  busy: { unicode: "…", ascii: "-", style: "quiet" },
} as const satisfies Record<string, { unicode: string; ascii: string; style: Style }>;
export type Glyph = keyof typeof GLYPHS;

export function glyph(terminal: Pick<Terminal, "unicode">, kind: Glyph): string {
  return terminal.unicode ? GLYPHS[kind].unicode : GLYPHS[kind].ascii;
}

/** `✓ ok` in its colour: for lines. */
export function mark(terminal: Pick<Terminal, "unicode" | "colour">, kind: Glyph, word: string): string {
  return paint(terminal, GLYPHS[kind].style, `${glyph(terminal, kind)} ${word}`);
}

/** The same as a table cell, which escapes and paints by itself. */
export function markCell(terminal: Pick<Terminal, "unicode">, kind: Glyph, word: string): { readonly text: string; readonly style: Style } {
  return { text: `${glyph(terminal, kind)} ${word}`, style: GLYPHS[kind].style };
}

/** Host and resource states to their glyph; an unknown word is shown as silent rather than as good. */
const STATES: Readonly<Record<string, Glyph>> = {
  ok: "good",
  up: "good",
  healthy: "good",
  approved: "good",
  unchanged: "good",
  drift: "change",
  behind: "change",
  drifted: "change",
  changed: "change",
  degraded: "warn",
  pending: "warn",
  waiting: "busy",
  fail: "bad",
  failed: "bad",
  down: "bad",
  stale: "silent",
  unknown: "silent",
  never: "silent",
  unverified: "bad",
  off: "off",
  paused: "off",
  revoked: "off",
  rejected: "off",
  skipped: "off",
};

export function glyphOf(state: string): Glyph {
  return STATES[state] ?? "silent";
}
