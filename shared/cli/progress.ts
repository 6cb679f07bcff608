import type { Terminal } from "../ports/terminal.ts";
import { paint } from "./colour.ts";

/**
 * Progress on stderr. On a terminal one line is redrawn, at most a hundred times in all; elsewhere only the end is told, so that
 * logs stay readable. It owns no clock and no timer.
 */
export interface Progress {
  add(amount: number): void;
  /** Ends the line. */
  done(remark?: string): void;
}

const BAR_CELLS = 24;
const ERASE_LINE = "\r\u001b[2K";

export function progress(
  terminal: Terminal,
  options: { readonly label: string; readonly total: number; readonly quiet: boolean; readonly amount?: (value: number) => string },
): Progress {
  const amount = options.amount ?? String;
  const live = !options.quiet && terminal.errIsTty === true;
  let soFar = 0;
  let drawn = -1;
  const draw = (): void => {
    const percent = options.total === 0 ? 100 : Math.min(100, Math.floor((soFar * 100) / options.total));
    if (!live || percent === drawn) return;
    drawn = percent;
    terminal.err(`${ERASE_LINE}  ${options.label}  ${bar(terminal, percent)} ${String(percent).padStart(3)} %  ${amount(soFar)} of ${amount(options.total)}`);
  };
  draw();
  return {
    add: (more) => {
      soFar += more;
      draw();
    },
    done: (remark) => {
      if (options.quiet) return;
      terminal.err(`${live ? ERASE_LINE : ""}  ${options.label}  ${remark ?? amount(soFar)}\n`);
    },
  };
}

export function bar(terminal: Pick<Terminal, "unicode" | "colour">, percent: number): string {
  const full = Math.round((percent / 100) * BAR_CELLS);
  const [on, off] = terminal.unicode ? ["█", "░"] : ["#", "."];
  return paint(terminal, "accent", on.repeat(full)) + paint(terminal, "quiet", off.repeat(BAR_CELLS - full));
}
