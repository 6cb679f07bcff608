/**
 * What is wrong with a fleet directory, for the person who wrote it. These are answers, not errors: readers and renderers
 * return them, many at once. `line` is 0 when the fault is about the file as a whole.
 */
export interface StateFault {
  /** Relative to the fleet directory: `states/web.yaml`. */
  readonly file: string;
  readonly line: number;
  readonly column?: number;
  /** Where in the document: `nginx.service.ensure`. Empty when it is not about one place. */
  readonly path: string;
  /** "Cannot <action>: …" is implied; this says what is wrong with what. Never a secret's value. */
  readonly message: string;
  /** What to change. */
  readonly remedy?: string;
}

/** At most this many are reported of one directory; the last one then says that there are more. */
export const FAULTS_MAX = 200;

export type Checked<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly faults: readonly StateFault[] };

export const good = <T>(value: T): Checked<T> => ({ ok: true, value });
export const faulty = (...faults: readonly StateFault[]): { readonly ok: false; readonly faults: readonly StateFault[] } => ({ ok: false, faults });

/** `states/web.yaml:12:5 nginx.service: …`, with the remedy on a line of its own. The text is untrusted: escape it before a terminal. */
export function faultText(fault: StateFault): string {
  const place = fault.line === 0 ? fault.file : `${fault.file}:${fault.line}${fault.column === undefined ? "" : `:${fault.column}`}`;
  const path = fault.path === "" ? "" : ` ${fault.path}`;
  return `${place}${path}: ${fault.message}${fault.remedy === undefined ? "" : `\n    ${fault.remedy}`}`;
}

export function boundedFaults(faults: readonly StateFault[]): readonly StateFault[] {
  if (faults.length <= FAULTS_MAX) return faults;
  const shown = faults.slice(0, FAULTS_MAX - 1);
  return [...shown, { file: "", line: 0, path: "", message: `and ${faults.length - shown.length} more faults` }];
}

/** `["nginx", "service", 0]` → `nginx.service[0]`. */
export function pathText(path: readonly (string | number)[]): string {
  return path.map((part, at) => (typeof part === "number" ? `[${part}]` : at === 0 ? part : `.${part}`)).join("");
}

/** Quotes a value for a message: short, one line. */
export function shown(value: unknown): string {
  const text = valueText(value);
  return text.length <= 80 ? text : `${text.slice(0, 77)}…`;
}

function valueText(value: unknown): string {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "number":
    case "boolean":
      return String(value);
    case "object":
      return value === null ? "nothing" : Array.isArray(value) ? "a list" : "a map";
    default:
      return "nothing";
  }
}
