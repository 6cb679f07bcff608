/** The nearest known words, best first. A guess is only ever shown, never run. */
const DISTANCE_MAX = 2;

/** What people who come from elsewhere type first (cli.md 2.5). */
const ELSEWHERE: Readonly<Record<string, string>> = {
  accept: "approve",
  add: "new",
  apply: "publish",
  create: "new",
  deploy: "publish",
  enrollment: "host",
  enrollments: "host",
  get: "show",
  history: "timeline",
  log: "event",
  logs: "event",
  ls: "list",
  machine: "host",
  node: "host",
  push: "publish",
  remove: "revoke",
  rm: "revoke",
  server: "hub",
  state: "bundle",
  validate: "check",
};

export function didYouMean(typed: string, known: readonly string[]): readonly string[] {
  const word = typed.toLowerCase();
  const elsewhere = ELSEWHERE[word];
  const near = known
    .map((candidate) => ({ candidate, distance: candidate.startsWith(word) && word.length >= 2 ? 0 : distance(word, candidate) }))
    .filter(({ candidate, distance }) => distance <= Math.min(DISTANCE_MAX, Math.floor(Math.max(candidate.length, word.length) / 2)))
    .toSorted((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .map(({ candidate }) => candidate);
  const all = elsewhere !== undefined && known.includes(elsewhere) ? [elsewhere, ...near] : near;
  return [...new Set(all)].slice(0, 3);
}

/** Optimal string alignment: insert, delete, replace, swap of neighbours. Words are short. */
export function distance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, at) => at)];
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      const swap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (rows[i - 2]?.[j - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min((rows[i - 1]?.[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (rows[i - 1]?.[j - 1] ?? 0) + cost, swap));
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? Math.max(a.length, b.length);
}
