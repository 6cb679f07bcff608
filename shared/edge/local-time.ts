/** Wall-clock time as the box's own time zone shows it, for windows that people write ("at night"). */
export function localTime(wallMs: number): { readonly day: number; readonly minute: number } {
  const at = new Date(wallMs);
  return { day: at.getDay(), minute: at.getHours() * 60 + at.getMinutes() };
}
