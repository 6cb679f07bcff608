import type { Terminal } from "../ports/terminal.ts";
import { count } from "./age.ts";
import { paint } from "./colour.ts";
import type { ExitCode } from "./command.ts";
import { escapeUntrusted } from "./escape.ts";
import { glyph, type Glyph } from "./glyph.ts";

/** What one look found, and the screen that lists them: one line each, what to run beneath what is wrong. */
export interface Finding {
  /** Stable, for scripts: `hub.tls`. */
  readonly id: string;
  /** A word or two, at most 14 cells. */
  readonly title: string;
  readonly status: "ok" | "warn" | "fail" | "skipped";
  readonly detail: string;
  readonly fix?: string;
}

const GLYPHS: Readonly<Record<Finding["status"], Glyph>> = { ok: "good", warn: "change", fail: "bad", skipped: "off" };
const STYLES = { ok: "good", warn: "warn", fail: "bad", skipped: "quiet" } as const;
const TITLE_CELLS = 14;

export function doctorText(findings: readonly Finding[], terminal: Pick<Terminal, "unicode" | "colour" | "columns" | "outIsTty">): string {
  const indent = " ".repeat(TITLE_CELLS + 6);
  const room = terminal.outIsTty ? Math.max(24, terminal.columns - indent.length) : Number.POSITIVE_INFINITY;
  const wrapped = (text: string): string =>
    Number.isFinite(room) ? Bun.wrapAnsi(escapeUntrusted(text), room, { hard: true, trim: true }).replaceAll("\n", `\n${indent}`) : escapeUntrusted(text);
  const lines = findings.flatMap(({ title, status, detail, fix }) => [
    `  ${paint(terminal, STYLES[status], glyph(terminal, GLYPHS[status]))} ${title.padEnd(TITLE_CELLS)}  ${wrapped(detail)}`,
    ...(fix === undefined ? [] : [`${indent}${paint(terminal, "quiet", terminal.unicode ? "→" : "->")} ${wrapped(fix)}`]),
  ]);
  const [fail, warn] = [of(findings, "fail"), of(findings, "warn")];
  return [...lines, "", `  ${fail === 0 && warn === 0 ? "Nothing wrong." : `${count(fail, "problem")}, ${count(warn, "warning")}.`}`].join("\n");
}

export function doctorData(role: string, findings: readonly Finding[]): Readonly<Record<string, unknown>> {
  return {
    role,
    checks: findings.map(({ id, status, detail, fix }) => ({ id, status, detail, fix: fix ?? null })),
    fail: of(findings, "fail"),
    warn: of(findings, "warn"),
  };
}

/** What is only worth a look does not fail a script. */
export function doctorExit(findings: readonly Finding[]): ExitCode {
  return of(findings, "fail") > 0 ? 1 : 0;
}

function of(findings: readonly Finding[], status: Finding["status"]): number {
  return findings.filter((finding) => finding.status === status).length;
}
