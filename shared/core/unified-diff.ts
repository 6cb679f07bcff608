/**
 * A unified diff of two texts (E. Myers, "An O(ND) Difference Algorithm and Its Variations", 1986), three lines of context.
 * Bounded: above the limits it says so in one line instead of burning a box's CPU.
 */
const LINES_MAX = 4_000;
const EDITS_MAX = 400;
const CONTEXT = 3;

interface Edit {
  readonly sign: " " | "-" | "+";
  readonly text: string;
}

/** Lines without their newline, headers first; empty when the texts are equal. */
export function unifiedDiff(before: string, after: string, path: string): readonly string[] {
  if (before === after) return [];
  const old = linesOf(before);
  const wanted = linesOf(after);
  const edits = old.length > LINES_MAX || wanted.length > LINES_MAX ? undefined : editScript(old, wanted);
  if (edits === undefined) return [`  (${old.length} lines now, ${wanted.length} wanted: too different to show)`];
  return [`--- ${path} (now)`, `+++ ${path} (wanted)`, ...hunks(edits)];
}

function linesOf(text: string): readonly string[] {
  if (text === "") return [];
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  else lines.push(`${lines.pop() ?? ""}\u0000`); // marked: a last line without a newline differs from the same line with one
  return lines;
}

/** Furthest-reaching paths per diagonal, kept per depth and walked back from the end. */
function editScript(old: readonly string[], wanted: readonly string[]): readonly Edit[] | undefined {
  const trace: Map<number, number>[] = [];
  const furthest = new Map<number, number>([[1, 0]]);
  const reach = (diagonal: number): number => furthest.get(diagonal) ?? -1;
  for (let depth = 0; depth <= Math.min(EDITS_MAX, old.length + wanted.length); depth++) {
    trace.push(new Map(furthest));
    for (let diagonal = -depth; diagonal <= depth; diagonal += 2) {
      const isDown = diagonal === -depth || (diagonal !== depth && reach(diagonal - 1) < reach(diagonal + 1));
      let x = isDown ? reach(diagonal + 1) : reach(diagonal - 1) + 1;
      while (x < old.length && x - diagonal < wanted.length && old[x] === wanted[x - diagonal]) x++;
      furthest.set(diagonal, x);
      if (x >= old.length && x - diagonal >= wanted.length) return walkBack(trace, old, wanted);
    }
  }
  return undefined;
}

function walkBack(trace: readonly ReadonlyMap<number, number>[], old: readonly string[], wanted: readonly string[]): readonly Edit[] {
  const edits: Edit[] = [];
  let x = old.length;
  let y = wanted.length;
  for (let depth = trace.length - 1; depth >= 0; depth--) {
    const furthest = trace[depth] ?? new Map<number, number>();
    const reach = (diagonal: number): number => furthest.get(diagonal) ?? -1;
    const diagonal = x - y;
    const isDown = diagonal === -depth || (diagonal !== depth && reach(diagonal - 1) < reach(diagonal + 1));
    const fromX = reach(isDown ? diagonal + 1 : diagonal - 1);
    const fromY = fromX - (isDown ? diagonal + 1 : diagonal - 1);
    while (x > fromX && y > fromY && x > 0 && y > 0 && !(isDown ? x === fromX : y === fromY)) {
      x--;
      y--;
      edits.push({ sign: " ", text: old[x] ?? "" });
    }
    if (depth === 0) continue;
    if (isDown) edits.push({ sign: "+", text: wanted[--y] ?? "" });
    else edits.push({ sign: "-", text: old[--x] ?? "" });
  }
  return edits.reverse();
}

function hunks(edits: readonly Edit[]): readonly string[] {
  const shown = edits.map((_, at) => edits.slice(Math.max(0, at - CONTEXT), at + CONTEXT + 1).some(({ sign }) => sign !== " "));
  const lines: string[] = [];
  let oldLine = 1;
  let newLine = 1;
  for (let at = 0; at < edits.length; ) {
    let end = at;
    while (end < edits.length && shown[end] === shown[at]) end++;
    const part = edits.slice(at, end);
    const oldCount = part.filter(({ sign }) => sign !== "+").length;
    const newCount = part.filter(({ sign }) => sign !== "-").length;
    if (shown[at] === true) lines.push(`@@ -${range(oldLine, oldCount)} +${range(newLine, newCount)} @@`, ...part.flatMap(lineText));
    oldLine += oldCount;
    newLine += newCount;
    at = end;
  }
  return lines;
}

function lineText({ sign, text }: Edit): readonly string[] {
  return text.endsWith("\u0000") ? [`${sign}${text.slice(0, -1)}`, "\\ No newline at end of file"] : [`${sign}${text}`];
}

/** GNU's way: an empty range names the line before it. */
function range(start: number, count: number): string {
  return count === 1 ? String(start) : `${count === 0 ? start - 1 : start},${count}`;
}
