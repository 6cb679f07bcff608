/** Times for people: one unit, rounded down, as `12 s`, `47 min`, `3 h`, `19 d`, `2 y`. */

const UNITS: readonly (readonly [name: string, ms: number])[] = [
  ["y", 365 * 86_400_000],
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["min", 60_000],
  ["s", 1_000],
];

/** A duration, below a second in `ms`. */
export function age(ms: number): string {
  const positive = Math.max(0, ms);
  for (const [name, size] of UNITS) {
    if (positive >= size) return `${Math.floor(positive / size)} ${name}`;
  }
  return positive === 0 ? "0 s" : `${Math.floor(positive)} ms`;
}

/** How long ago `atMs` was; `never` for null. Clocks differ: up to five seconds ahead is `0 s`, more says so. */
export function ageOf(atMs: number | null | undefined, nowMs: number): string {
  if (atMs === null || atMs === undefined) return "never";
  if (atMs > nowMs + 5_000) return `${age(atMs - nowMs)} ahead`;
  return age(nowMs - atMs < 1_000 ? 0 : nowMs - atMs);
}

/** The same in a sentence: `5 min ago`, `never`, and `40 d ahead` where a clock is wrong. */
export function ago(atMs: number | null | undefined, nowMs: number): string {
  const text = ageOf(atMs, nowMs);
  return text === "never" || text.endsWith(" ahead") ? text : `${text} ago`;
}

/** When something ends: `in 3 d`, or `5 min ago`. */
export function until(atMs: number, nowMs: number): string {
  return atMs >= nowMs ? `in ${age(atMs - nowMs)}` : `${age(nowMs - atMs)} ago`;
}

/** ISO 8601 in UTC without milliseconds, for JSON and tables. */
export function isoTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace(/\.\d{3}Z$/, "Z");
}

export function isoTimeOrNull(wallMs: number | null | undefined): string | null {
  return wallMs === null || wallMs === undefined ? null : isoTime(wallMs);
}

/** `512 B`, `1.5 KiB`, `104 MiB`. */
export function byteSize(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 10 ? Math.round(value) : value.toFixed(1)} ${units[unit] ?? "B"}`;
}

/** `30d`, `12h`, `90m`, `45s`, `2w` → milliseconds; `undefined` for anything else. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d{1,6})(ms|s|m|min|h|d|w|y)$/.exec(text.trim());
  if (match === null) return undefined;
  const sizes: Readonly<Record<string, number>> = {
    ms: 1,
    s: 1_000,
    m: 60_000,
    min: 60_000,
    h: 3_600_000,
    d: 86_400_000,
    w: 7 * 86_400_000,
    y: 365 * 86_400_000,
  };
  return Number(match[1]) * (sizes[match[2] ?? ""] ?? 0);
}

/** `1 host`, `3 hosts`. */
export function count(number: number, singular: string, plural = `${singular}s`): string {
  return `${number} ${number === 1 ? singular : plural}`;
}
