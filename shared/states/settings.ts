/**
 * The settings of a host, merged from its levels; a later level is nearer to the host and wins.
 *
 * The rules: maps are merged key by key; a text, number or truth value replaces; a list replaces the inherited list, and a
 * key written `name+` adds its items at the end of the inherited list (one that is there already is not added again). A
 * level may not turn a map into a list or a single value, or the other way round: that is nearly always a slip, and it is
 * a fault. `null` stands for "no value of any kind" and may take or give any place.
 */

export type Settings = Readonly<Record<string, unknown>>;

export interface Clash {
  readonly path: readonly string[];
  readonly message: string;
}

export type Merged = { readonly ok: true; readonly value: Settings } | { readonly ok: false; readonly clash: Clash };

/** `over` laid on `base`. Additions that find nothing to add to stay additions, so that merging is associative; `settled` ends it. */
export function mergeSettings(base: Settings, over: Settings): Merged {
  try {
    return { ok: true, value: mergeMaps(base, over, []) };
  } catch (error) {
    if (error instanceof ClashFound) return { ok: false, clash: error.clash };
    throw error;
  }
}

class ClashFound extends Error {
  readonly clash: Clash;
  constructor(path: readonly string[], message: string) {
    super(message);
    this.clash = { path, message };
  }
}

function mergeMaps(base: Settings, over: Settings, path: readonly string[]): Settings {
  const merged: Record<string, unknown> = Object.assign(Object.create(null), base);
  for (const [key, value] of Object.entries(over)) {
    const here = [...path, key];
    if (key.endsWith("+")) addItems(merged, key, value, here);
    else {
      if (Object.hasOwn(merged, `${key}+`)) delete merged[`${key}+`];
      merged[key] = Object.hasOwn(merged, key) ? mergeValues(merged[key], value, here) : value;
    }
  }
  return merged;
}

function addItems(merged: Record<string, unknown>, key: string, value: unknown, path: readonly string[]): void {
  const plain = key.slice(0, -1);
  if (!Array.isArray(value)) throw new ClashFound(path, `${key} adds to a list, so it has to be a list`);
  const target = Object.hasOwn(merged, plain) ? plain : key;
  const now = Object.hasOwn(merged, target) ? merged[target] : [];
  if (now !== null && !Array.isArray(now)) throw new ClashFound(path, `${key} adds to a list, and a farther level has ${kindOf(now)} there`);
  merged[target] = withItems(now ?? [], value);
}

function withItems(list: readonly unknown[], items: readonly unknown[]): readonly unknown[] {
  const known = new Set(list.map((item) => JSON.stringify(item)));
  const added = items.filter((item) => {
    const text = JSON.stringify(item);
    if (known.has(text)) return false;
    known.add(text);
    return true;
  });
  return [...list, ...added];
}

function mergeValues(base: unknown, over: unknown, path: readonly string[]): unknown {
  if (base === null || over === null) return over;
  if (kindOf(base) !== kindOf(over)) throw new ClashFound(path, `is ${kindOf(over)} here and ${kindOf(base)} in a farther level`);
  return isMap(base) && isMap(over) ? mergeMaps(base, over, path) : over;
}

const isMap = (value: unknown): value is Settings => typeof value === "object" && value !== null && !Array.isArray(value);
const kindOf = (value: unknown): string => (Array.isArray(value) ? "a list" : isMap(value) ? "a map" : "a single value");

/** What hosts see: additions that met no list are the list, at every depth. */
export function settled(settings: Settings): Settings {
  const done: Record<string, unknown> = Object.create(null);
  for (const [key, value] of Object.entries(settings)) {
    const name = key.endsWith("+") && Array.isArray(value) ? key.slice(0, -1) : key;
    done[name] = isMap(value) ? settled(value) : value;
  }
  return done;
}
