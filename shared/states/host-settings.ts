import type { Subject } from "./expression.ts";
import type { Sources } from "./fleet-documents.ts";
import type { Settings } from "./settings.ts";
import { mergeSettings, settled } from "./settings.ts";
import type { Checked } from "./state-fault.ts";
import { faulty, good } from "./state-fault.ts";
import { parseYaml } from "./yaml/parse-yaml.ts";

/** A label or fact that names a settings file: one plain path component. */
const COMPONENT = /^[A-Za-z0-9_+@-][A-Za-z0-9_.+@ -]{0,127}$/;

/** The settings files of one host, far to near, that are there. */
export function settingsFiles(sources: Sources, levels: readonly string[], subject: Subject): Checked<readonly string[]> {
  const files: string[] = [];
  for (const level of levels) {
    let isComplete = true;
    let odd: string | undefined;
    const path = level.replace(/\{([^}]*)\}/g, (_, name: string) => {
      const value = nameValue(name, subject);
      if (value === undefined) isComplete = false;
      else if (!COMPONENT.test(value)) odd = name;
      return value ?? "";
    });
    if (odd !== undefined)
      return faulty({ file: "fleet.yaml", line: 0, path: "levels", message: `the level ${level} makes a file name of ${odd}, whose value is none` });
    const file = `settings/${path}.yaml`;
    if (isComplete && Object.hasOwn(sources, file)) files.push(file);
  }
  return good(files);
}

function nameValue(name: string, subject: Subject): string | undefined {
  if (name === "host.name") return subject.host.name;
  const [root, ...rest] = name.split(".");
  if (root === "label") {
    const label = rest.join(".");
    return Object.hasOwn(subject.labels, label) ? subject.labels[label] : undefined;
  }
  let value: unknown = subject.facts;
  for (const part of rest) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, part)) return undefined;
    value = Reflect.get(value, part);
  }
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

export async function hostSettings(sources: Sources, levels: readonly string[], subject: Subject): Promise<Checked<Settings>> {
  const files = settingsFiles(sources, levels, subject);
  if (!files.ok) return files;
  let settings: Settings = Object.create(null);
  for (const file of files.value) {
    const document = await parseYaml(file, sources[file] ?? "");
    if (!document.ok) return document;
    const level = document.value.value;
    if (level === null || level === undefined) continue;
    if (!isSettings(level)) return faulty(await document.value.fault([], "is not a map of settings"));
    const merged = mergeSettings(settings, level);
    if (!merged.ok) return faulty(await document.value.fault(merged.clash.path, merged.clash.message, "A level may replace a value by one of the same kind."));
    settings = merged.value;
  }
  return good(settled(settings));
}

const isSettings = (value: unknown): value is Settings => typeof value === "object" && value !== null && !Array.isArray(value);
