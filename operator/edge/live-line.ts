import type { Terminal } from "../../shared/ports/terminal.ts";

/** One line of stderr that is drawn again and again, on a terminal only; elsewhere nothing. It is taken away before anything else is printed. */
export interface LiveLine {
  draw(text: string): void;
  clear(): void;
}

const ERASE_LINE = "\r\u001b[2K";

export function liveLine(terminal: Terminal, isShown: boolean): LiveLine {
  const live = isShown && terminal.errIsTty === true;
  let drawn = "";
  return {
    draw: (text) => {
      if (!live || text === drawn) return;
      drawn = text;
      terminal.err(ERASE_LINE + text);
    },
    clear: () => {
      if (drawn !== "") terminal.err(ERASE_LINE);
      drawn = "";
    },
  };
}
