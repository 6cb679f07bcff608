import type { Terminal } from "../ports/terminal.ts";
import { paint, type Style } from "./colour.ts";
import { escapeUntrusted } from "./escape.ts";

/**
 * Aligned columns. Every cell is escaped here, so a caller cannot forget it; colour is a property of a cell, never part of its text.
 * On a terminal the table is made to fit: columns marked `flex` give way first (longest first), then the last droppable columns go,
 * and what was cut ends in `…`. In a pipe nothing is cut: data is worth more than looks.
 */
export type Cell = string | number | null | undefined | { readonly text: string; readonly style: Style };

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** May be truncated down to `least` cells (default 8) when the table is too wide. */
  readonly flex?: boolean;
  readonly least?: number;
  /** May be left out when the terminal is too narrow even so: lowest number first. */
  readonly drop?: number;
}

const INDENT = "  ";
const GAP = "  ";
const LEAST_DEFAULT = 8;

type TableTerminal = Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;

export function table(columns: readonly Column[], rows: readonly (readonly Cell[])[], terminal: TableTerminal): string {
  const texts = rows.map((row) => columns.map((_, at) => cellText(row[at], terminal)));
  const natural = columns.map((column, at) => Math.max(Bun.stringWidth(column.title), ...texts.map((row) => Bun.stringWidth(row[at] ?? ""))));
  const widths = terminal.outIsTty ? fit(columns, natural, terminal.columns) : natural;
  const shown = columns.map((_, at) => at).filter((at) => (widths[at] ?? 0) > 0);
  const line = (texts: readonly string[], styles: readonly Style[]): string => {
    const parts = shown.map((at) => {
      const width = widths[at] ?? 0;
      const text = truncate(texts[at] ?? "", width, terminal);
      const padding = " ".repeat(Math.max(0, width - Bun.stringWidth(text)));
      const painted = paint(terminal, styles[at] ?? "plain", text);
      return columns[at]?.align === "right" ? padding + painted : painted + padding;
    });
    return `${INDENT}${parts.join(GAP)}`.replace(/ +$/, "");
  };
  const head = line(
    columns.map((column) => column.title),
    columns.map(() => "quiet"),
  );
  const body = rows.map((row, index) =>
    line(
      texts[index] ?? [],
      columns.map((_, at) => cellStyle(row[at])),
    ),
  );
  return [head, ...body].join("\n");
}

/** `name  value` lines with the names in one quiet column, for detail screens. Values are escaped and, on a terminal, wrapped. */
export function fields(pairs: readonly (readonly [name: string, value: Cell])[], terminal: TableTerminal): string {
  const shown = pairs.filter(([, value]) => value !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => Bun.stringWidth(name)));
  return shown
    .flatMap(([name, value]) => {
      const text = cellText(value, terminal);
      const room = terminal.outIsTty ? Math.max(20, terminal.columns - width - INDENT.length - 2) : Number.POSITIVE_INFINITY;
      const lines = Number.isFinite(room) && Bun.stringWidth(text) > room ? Bun.wrapAnsi(text, room, { hard: true, trim: true }).split("\n") : [text];
      return lines.map((part, at) =>
        `${INDENT}${paint(terminal, "quiet", (at === 0 ? name : "").padEnd(width))}  ${paint(terminal, cellStyle(value), part)}`.trimEnd(),
      );
    })
    .join("\n");
}

/** Cuts to `width` cells, ending in an ellipsis. */
export function truncate(text: string, width: number, terminal: Pick<Terminal, "unicode">): string {
  if (Bun.stringWidth(text) <= width) return text;
  const end = terminal.unicode ? "…" : "...";
  if (width <= end.length) return sliceCells(text, width);
  return sliceCells(text, width - end.length) + end;
}

function sliceCells(text: string, width: number): string {
  let used = 0;
  let kept = "";
  for (const { segment } of GRAPHEMES.segment(text)) {
    used += Bun.stringWidth(segment);
    if (used > width) break;
    kept += segment;
  }
  return kept;
}
const GRAPHEMES = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Widths that fit into `total` cells; 0 drops a column. */
export function fit(columns: readonly Column[], natural: readonly number[], total: number): readonly number[] {
  const widths = [...natural];
  const room = total - INDENT.length;
  const used = (): number => widths.reduce((sum, width) => sum + (width > 0 ? width + GAP.length : 0), -GAP.length);
  const shrink = (): void => {
    while (used() > room) {
      const widest = columns.reduce((best, column, at) => {
        const width = widths[at] ?? 0;
        return column.flex === true && width > Math.max(column.least ?? LEAST_DEFAULT, Bun.stringWidth(column.title)) && width > (widths[best] ?? 0)
          ? at
          : best;
      }, -1);
      if (widest < 0) return;
      widths[widest] = (widths[widest] ?? 0) - 1;
    }
  };
  const droppable = columns.flatMap((column, at) => (column.drop === undefined ? [] : [{ at, drop: column.drop }])).toSorted((a, b) => a.drop - b.drop);
  shrink();
  for (const { at } of droppable) {
    if (used() <= room) break;
    widths[at] = 0;
    // Room was made: columns that were shrunk may take their width back before being shrunk again.
    columns.forEach((column, index) => {
      if (column.flex === true && (widths[index] ?? 0) > 0) widths[index] = natural[index] ?? 0;
    });
    shrink();
  }
  return widths;
}

function cellText(cell: Cell, terminal: Pick<Terminal, "unicode">): string {
  if (cell === null || cell === undefined || cell === "") return terminal.unicode ? "–" : "-";
  return escapeUntrusted(typeof cell === "object" ? cell.text : String(cell));
}

function cellStyle(cell: Cell): Style {
  return typeof cell === "object" && cell !== null ? cell.style : "plain";
}
