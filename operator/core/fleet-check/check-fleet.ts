import { declaredInYaml, type Declared } from "../../../shared/states/declared.ts";
import { openExpressions } from "../../../shared/states/expression.ts";
import type { Fleet, Sources } from "../../../shared/states/fleet-documents.ts";
import { readFleetDocuments, stateFile } from "../../../shared/states/fleet-documents.ts";
import type { FleetSources } from "../../../shared/states/fleet-directory.ts";
import { render } from "../../../shared/states/render.ts";
import { needsExpressions, needsTemplates, resolve } from "../../../shared/states/resolve.ts";
import { placeholderSecrets, secretsFor } from "../../../shared/states/secrets-for.ts";
import type { StateFault } from "../../../shared/states/state-fault.ts";
import { faultText } from "../../../shared/states/state-fault.ts";
import { parseYaml } from "../../../shared/states/yaml/parse-yaml.ts";
import type { CheckHost } from "./sample-hosts.ts";
import { levelPattern, sampleHosts } from "./sample-hosts.ts";

/**
 * All that can be said of a fleet directory without a hub or a vault: documents, settings, expressions, every state, and a
 * render for each recorded or sample host. Faults would stop a box; notes are what looks like a slip and stops nothing.
 */
export interface FleetCheck {
  readonly name: string | undefined;
  readonly faults: readonly StateFault[];
  readonly notes: readonly StateFault[];
  readonly states: number;
  readonly targets: number;
  readonly settings: number;
  readonly secrets: number;
  readonly hosts: readonly { readonly name: string; readonly isSample: boolean; readonly resources: number | undefined }[];
}

export async function checkFleet({ sources, paths }: FleetSources, recorded: readonly CheckHost[]): Promise<FleetCheck> {
  const documents = await readFleetDocuments(sources);
  const counts = { states: count(sources, "states/"), settings: count(sources, "settings/") };
  const texts = await checkTexts({ sources, paths });
  if (!documents.ok)
    return { name: undefined, faults: unique([...documents.faults, ...texts.faults]), notes: [], ...counts, targets: 0, secrets: 0, hosts: [] };
  const fleet = documents.value;
  const named = await checkNames(sources, fleet);
  const hosts = recorded.length > 0 ? recorded : sampleHosts(sources, fleet);
  const rendered = named.length > 0 ? { faults: [], notes: [], hosts: [], used: undefined } : await renderAll({ sources, paths }, fleet, hosts);
  return {
    name: fleet.fleet.name,
    faults: unique([...named, ...texts.faults, ...rendered.faults]),
    notes: unique([...rendered.notes, ...surplus({ sources, paths }, fleet, rendered.used)]),
    ...counts,
    targets: fleet.targets.length,
    secrets: Object.keys(fleet.secrets).length,
    hosts: rendered.hosts,
  };
}

const count = (sources: Sources, folder: string): number => Object.keys(sources).filter((path) => path.startsWith(folder)).length;

/** One fault seen through many hosts is one fault. */
function unique(faults: readonly StateFault[]): readonly StateFault[] {
  const byText = new Map(faults.map((fault) => [faultText(fault), fault]));
  return [...byText.values()].toSorted((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}

/** Every YAML file, whether a host reads it or not, and every entry, whether a host has it or not. */
async function checkTexts({ sources, paths }: FleetSources): Promise<{ readonly faults: readonly StateFault[] }> {
  const faults: StateFault[] = [];
  for (const [file, text] of Object.entries(sources)) {
    if (!file.endsWith(".yaml") || !(file.startsWith("states/") || file.startsWith("settings/"))) continue;
    const document = await parseYaml(file, text);
    if (!document.ok) {
      faults.push(...document.faults);
      continue;
    }
    if (file.startsWith("settings/")) {
      const { value } = document.value;
      if (value !== null && (typeof value !== "object" || Array.isArray(value))) faults.push(await document.value.fault([], "is not a map of settings"));
      continue;
    }
    const state = await declaredInYaml(document.value);
    faults.push(...state.faults);
    for (const entry of state.entries) faults.push(...(await checkEntry(entry, sources, paths)));
  }
  return { faults };
}

/** What needs no host to be judged: its condition's form, and its parameters when there is no template among them. */
async function checkEntry(entry: Declared, sources: Sources, paths: readonly string[]): Promise<readonly StateFault[]> {
  const faults: StateFault[] = [];
  if (needsExpressions(entry)) {
    const judged = (await openExpressions()).check(entry.onlyIf ?? "", "host");
    if (!judged.ok) faults.push(await entry.fault(["onlyIf"], judged.message, judged.remedy));
  }
  if (needsTemplates(entry)) return faults;
  const subject = { labels: {}, facts: {}, host: { id: "", name: "" } };
  const resolved = resolve({ ...entry, onlyIf: undefined }, { sources, paths: new Set(paths), subject, expressions: undefined, templates: undefined });
  if (resolved.is === "faulty") for (const { at, message, remedy } of resolved.complaints) faults.push(await entry.fault(at, message, remedy));
  return faults;
}

/** What targets and secrets name: states that are there, expressions that are understood. */
async function checkNames(sources: Sources, fleet: Fleet): Promise<readonly StateFault[]> {
  const expressions = await openExpressions();
  const faults: StateFault[] = [];
  for (const [at, { match, states }] of fleet.targets.entries()) {
    const judged = expressions.check(match, "host");
    if (!judged.ok) faults.push(await fleet.targetsFile.fault([at, "match"], judged.message, judged.remedy));
    for (const [nth, name] of states.entries()) {
      const found = stateFile(sources, name);
      if (!found.ok) faults.push(await fleet.targetsFile.fault([at, "states", nth], found.message, found.remedy));
    }
  }
  for (const [name, { match }] of Object.entries(fleet.secrets)) {
    const judged = expressions.check(match, "labels");
    if (!judged.ok && fleet.secretsFile !== undefined) faults.push(await fleet.secretsFile.fault([name, "match"], judged.message, judged.remedy));
  }
  return faults;
}

interface RenderedAll {
  readonly faults: readonly StateFault[];
  readonly notes: readonly StateFault[];
  readonly hosts: FleetCheck["hosts"];
  /** States that some host has; `undefined` when it could not be told. */
  readonly used: ReadonlySet<string> | undefined;
}

async function renderAll(tree: FleetSources, fleet: Fleet, hosts: readonly CheckHost[]): Promise<RenderedAll> {
  const faults: StateFault[] = [];
  const notes: StateFault[] = [];
  const shown: { name: string; isSample: boolean; resources: number | undefined }[] = [];
  const used = new Set<string>();
  for (const { name, labels, facts, isSample } of hosts) {
    const host = { id: `h-${"a".repeat(16)}`, name };
    const secrets = await secretsFor(fleet, [{ host, labels }]);
    const verdict = secrets.ok
      ? await render({ files: tree.sources, paths: tree.paths, host, labels, facts, secrets: placeholderSecrets(secrets.value[0] ?? []) })
      : secrets;
    for (const fault of verdict.ok ? [] : verdict.faults) {
      if (isSample && /\bthis host has no (?:label|fact)\b/.test(fault.message))
        notes.push({ ...fault, remedy: "A made-up host was tried. Record a real one: felhom local facts DIR --json > facts/NAME.json on a box." });
      else faults.push(fault);
    }
    if ("resources" in verdict) for (const state of verdict.states) used.add(state);
    shown.push({ name, isSample, resources: "resources" in verdict ? verdict.resources.length : undefined });
  }
  return { faults, notes, hosts: shown, used };
}

/** Files that nothing reads: nearly always a name that was misspelt somewhere. */
function surplus({ sources, paths }: FleetSources, fleet: Fleet, used: ReadonlySet<string> | undefined): readonly StateFault[] {
  const note = (file: string, message: string): StateFault => ({ file, line: 0, path: "", message });
  const targeted = new Set(fleet.targets.flatMap(({ states }) => states));
  const levels = fleet.fleet.levels.map(levelPattern);
  const files = Object.keys(sources);
  const text = files
    .filter((file) => file.startsWith("states/"))
    .map((file) => sources[file] ?? "")
    .join("\n");
  return [
    ...files
      .filter((file) => /^states\/.*\.(?:yaml|ts)$/.test(file) && !targeted.has(file.slice("states/".length).replace(/\.(?:yaml|ts)$/, "")))
      .map((file) => note(file, "no target names this state")),
    ...[...targeted]
      .filter((state) => used !== undefined && used.size > 0 && !used.has(state))
      .map((state) => note("targets.yaml", `no host that was tried has the state ${state}, so it was not rendered`)),
    ...files
      .filter((file) => file.startsWith("settings/") && !levels.some((level) => level.test(file)))
      .map((file) => note(file, "no level in fleet.yaml reads these settings")),
    ...paths
      .filter((file) => file.startsWith("files/") && !file.endsWith("/.gitkeep") && !text.includes(file.slice("files/".length).split("/").at(-1) ?? file))
      .map((file) => note(file, "no state names this file")),
  ];
}
