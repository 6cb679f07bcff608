import type { Fleet, Sources } from "../../../shared/states/fleet-documents.ts";
import { SAMPLE_FACTS } from "../../../shared/states/sample-facts.ts";

/**
 * Hosts to render a fleet directory for when none were recorded: one with the first value of every label that the directory
 * speaks of, and one more for every other value, so that each target and settings file has a host that it is for.
 */
export interface CheckHost {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: Readonly<Record<string, unknown>>;
  /** Made up here: that it lacks a label or fact is no fault of the directory. */
  readonly isSample: boolean;
}

const SAMPLES_MAX = 64;
const SAMPLE_NAME = "sample";
const LABEL_VALUE = /\blabel\.([A-Za-z0-9_-]{1,63})\s*(?:==|!=)\s*["']([^"']{1,256})["']/g;
const LABEL_LIST = /\blabel\.([A-Za-z0-9_-]{1,63})\s+in\s+\[\s*([^\]]{1,1000})\]/g;
const LABEL_NAME = /\blabels?\.([A-Za-z0-9_-]{1,63})/g;

export function sampleHosts(sources: Sources, fleet: Fleet): readonly CheckHost[] {
  const values = labelValues(sources, fleet);
  const first = Object.fromEntries([...values].map(([label, known]) => [label, known[0] ?? SAMPLE_NAME]));
  const base: CheckHost = { name: SAMPLE_NAME, labels: first, facts: SAMPLE_FACTS, isSample: true };
  const others = [...values].flatMap(([label, known]) =>
    known.slice(1).map((value) => ({ ...base, name: `${SAMPLE_NAME}-${fileName(value)}`, labels: { ...first, [label]: value } })),
  );
  const named = hostNames(sources, fleet).map((name) => ({ ...base, name }));
  return [base, ...others, ...named].slice(0, SAMPLES_MAX);
}

const fileName = (value: string): string =>
  value
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, "-")
    .slice(0, 40);

function labelValues(sources: Sources, fleet: Fleet): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, Set<string>>();
  const add = (label: string, value?: string) => {
    const known = values.get(label) ?? new Set<string>();
    if (value !== undefined) known.add(value);
    values.set(label, known);
  };
  for (const text of Object.values(sources)) {
    for (const [, label, value] of text.matchAll(LABEL_VALUE)) add(label ?? "", value);
    for (const [, label, list] of text.matchAll(LABEL_LIST)) for (const [, value] of (list ?? "").matchAll(/["']([^"']{1,256})["']/g)) add(label ?? "", value);
    for (const [, label] of text.matchAll(LABEL_NAME)) add(label ?? "");
  }
  for (const { label, value } of levelValues(sources, fleet)) if (label !== "host.name") add(label.replace(/^label\./, ""), value);
  return new Map([...values].map(([label, known]) => [label, [...known]]));
}

const hostNames = (sources: Sources, fleet: Fleet): readonly string[] =>
  levelValues(sources, fleet).flatMap(({ label, value }) => (label === "host.name" ? [value] : []));

/** `settings/role/web.yaml` with the level `role/{label.role}` says that a host may have the role web. */
function levelValues(sources: Sources, fleet: Fleet): readonly { readonly label: string; readonly value: string }[] {
  return fleet.fleet.levels.flatMap((level) => {
    const names = [...level.matchAll(/\{((?:label\.|host\.)[^}]*)\}/g)].map(([, name]) => name ?? "");
    const pattern = levelPattern(level);
    return Object.keys(sources).flatMap((file) => {
      const found = pattern.exec(file);
      return found === null ? [] : names.map((label, at) => ({ label, value: found[at + 1] ?? "" }));
    });
  });
}

/** Matches the settings files of a level; label and host places are captured, facts are not. */
export function levelPattern(level: string): RegExp {
  const escaped = level.replace(/\{[^}]*\}|[.+]/g, (part) => (part.startsWith("{fact.") ? "[^/]+" : part.startsWith("{") ? "([^/]+)" : `\\${part}`));
  return new RegExp(`^settings/${escaped}\\.yaml$`);
}
