import type { Declared } from "./declared.ts";
import { declaredInTypescript, declaredInYaml } from "./declared.ts";
import type { Expressions, Subject } from "./expression.ts";
import { openExpressions, trivial } from "./expression.ts";
import type { Fleet, FleetDefaults, Sources } from "./fleet-documents.ts";
import { readFleetDocuments, stateFile } from "./fleet-documents.ts";
import { orderResources } from "./graph.ts";
import { hostSettings } from "./host-settings.ts";
import type { Resolved, ResolveContext } from "./resolve.ts";
import { needsExpressions, needsTemplates, resolve } from "./resolve.ts";
import type { Resource } from "./resource.ts";
import { RESOURCES_MAX } from "./resource.ts";
import type { Settings } from "./settings.ts";
import type { StateFault } from "./state-fault.ts";
import { boundedFaults, FAULTS_MAX } from "./state-fault.ts";
import { openTemplates } from "./template.ts";
import { oddValue, parseYaml, withoutPrototypes } from "./yaml/parse-yaml.ts";

/**
 * A fleet directory and a host in, resources in converge order out – or faults, never half of it. Pure: no clock, disk,
 * network or chance, so the box, `check` and `plan` get the same answer from the same inputs. Liquid, CEL, the complete YAML
 * parser and the realm for TypeScript are loaded only by a directory that uses them.
 */
export interface RenderInput {
  /** Text files of the fleet directory: see `isRenderSource`. */
  readonly files: Sources;
  /** Every path of the directory, when known: then a missing `source` is a fault of rendering. */
  readonly paths?: readonly string[];
  readonly host: { readonly id: string; readonly name: string };
  readonly labels: Readonly<Record<string, string>>;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, string>>;
}

export type RenderVerdict = RenderGood | RenderBad;

export interface RenderGood {
  readonly ok: true;
  readonly resources: readonly Resource[];
  /** Files of the tree that resources copy, sorted. */
  readonly sources: readonly string[];
  /** States that this host has, in order. */
  readonly states: readonly string[];
  /** From fleet.yaml, for where the host's spec says nothing. */
  readonly defaults: FleetDefaults;
}

export interface RenderBad {
  readonly ok: false;
  readonly faults: readonly StateFault[];
}

const bad = (faults: readonly StateFault[]): RenderBad => ({ ok: false, faults: boundedFaults(faults) });

export async function render(input: RenderInput): Promise<RenderVerdict> {
  const documents = await readFleetDocuments(input.files);
  if (!documents.ok) return bad(documents.faults);
  const fleet = documents.value;
  const subject: Subject = { labels: input.labels, facts: input.facts, host: { id: input.host.id, name: input.host.name } };
  const expressions = once(openExpressions);
  const states = await statesOf(fleet, input.files, subject, expressions);
  const settings = await hostSettings(input.files, fleet.fleet.levels, subject);
  if (!states.ok) return bad([...states.faults, ...(settings.ok ? [] : settings.faults)]);
  if (!settings.ok) return bad(settings.faults);
  const declared = await declaredIn(states.names, input, settings.value);
  const context: ResolveContext = {
    sources: input.files,
    paths: input.paths === undefined ? undefined : new Set(input.paths),
    subject,
    expressions: declared.entries.some(needsExpressions) ? await expressions() : undefined,
    templates: declared.entries.some(needsTemplates)
      ? await openTemplates({ settings: settings.value, facts: input.facts, labels: input.labels, secrets: input.secrets, host: subject.host })
      : undefined,
  };
  const resolved = declared.entries.map((entry) => resolve(entry, context));
  const faults = [...declared.faults, ...(await faultsIn(resolved))];
  if (faults.length > 0) return bad(faults);
  return finish(resolved, { states: states.names, defaults: fleet.fleet.defaults });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  const made: Promise<T>[] = [];
  return () => (made[0] ??= make());
}

type States = { readonly ok: true; readonly names: readonly string[] } | RenderBad;

/** Every rule that matches adds its states; a state that is there already keeps its place. */
async function statesOf(fleet: Fleet, sources: Sources, subject: Subject, expressions: () => Promise<Expressions>): Promise<States> {
  const names = new Set<string>();
  const faults: StateFault[] = [];
  for (const [at, target] of fleet.targets.entries()) {
    const judged = trivial(target.match) ?? (await expressions()).evaluate(target.match, "host", subject);
    if (!judged.ok) faults.push(await fleet.targetsFile.fault([at, "match"], judged.message, judged.remedy));
    else if (judged.value)
      for (const [nth, name] of target.states.entries()) {
        const found = stateFile(sources, name);
        if (!found.ok) faults.push(await fleet.targetsFile.fault([at, "states", nth], found.message, found.remedy));
        names.add(name);
      }
  }
  return faults.length > 0 ? bad(faults) : { ok: true, names: [...names] };
}

async function declaredIn(
  states: readonly string[],
  input: RenderInput,
  settings: Settings,
): Promise<{ readonly entries: readonly Declared[]; readonly faults: readonly StateFault[] }> {
  const entries: Declared[] = [];
  const faults: StateFault[] = [];
  for (const name of states) {
    const found = stateFile(input.files, name);
    if (!found.ok) continue;
    const state = await readState(found.file, input, settings);
    entries.push(...state.entries);
    faults.push(...state.faults);
    if (entries.length > RESOURCES_MAX)
      return { entries: [], faults: [...faults, { file: found.file, line: 0, path: "", message: `brings the host above ${RESOURCES_MAX} resources` }] };
  }
  return { entries, faults };
}

async function readState(
  file: string,
  input: RenderInput,
  settings: Settings,
): Promise<{ readonly entries: readonly Declared[]; readonly faults: readonly StateFault[] }> {
  const text = input.files[file] ?? "";
  if (!file.endsWith(".ts")) {
    const document = await parseYaml(file, text);
    return document.ok ? declaredInYaml(document.value) : { entries: [], faults: document.faults };
  }
  const { runTypescriptState } = await import("./typescript-state.ts");
  const answer = await runTypescriptState(file, text, {
    id: input.host.id,
    name: input.host.name,
    labels: input.labels,
    facts: input.facts,
    settings,
    secrets: input.secrets,
  });
  if (!answer.ok) return { entries: [], faults: [answer.fault] };
  const odd = oddValue(answer.entries, [], 0);
  if (odd !== undefined) return { entries: [], faults: [{ file, line: 0, path: odd.path.join("."), message: odd.message }] };
  const state = await declaredInTypescript(file, withoutPrototypes(answer.entries));
  return answer.usesSecret ? { ...state, entries: state.entries.map((entry) => ({ ...entry, sensitive: true })) } : state;
}

async function faultsIn(resolved: readonly Resolved[]): Promise<readonly StateFault[]> {
  const faults: StateFault[] = [];
  for (const one of resolved) {
    if (faults.length > FAULTS_MAX) break;
    if (one.is === "faulty-template") faults.push(one.fault);
    else if (one.is === "faulty") for (const { at, message, remedy } of one.complaints) faults.push(await one.declared.fault(at, message, remedy));
  }
  return faults;
}

async function finish(resolved: readonly Resolved[], about: Pick<RenderGood, "states" | "defaults">): Promise<RenderVerdict> {
  const declaredBy = new Map<Resource, Declared>();
  const absent = new Set<string>();
  for (const one of resolved) {
    if (one.is === "resource") declaredBy.set(one.resource, one.declared);
    else if (one.is === "absent") absent.add(one.id);
  }
  const ordered = orderResources([...declaredBy.keys()], absent);
  if (!ordered.ok) {
    const byId = new Map([...declaredBy].map(([resource, declared]) => [resource.id, declared]));
    const faults: StateFault[] = [];
    for (const { resource, at, message, remedy } of ordered.faults) {
      const declared = declaredBy.get(resource) ?? byId.get(resource.id);
      if (declared !== undefined) faults.push(await declared.fault(at, message, remedy));
    }
    return bad(faults);
  }
  const resources = withManaged(ordered.resources);
  const sources = new Set(resources.flatMap((resource) => (resource.type === "file" && resource.params.source !== undefined ? [resource.params.source] : [])));
  return { ok: true, resources, sources: [...sources].sort(), ...about };
}

/** Tells each directory that purges which of its names other resources manage, themselves or something below them. */
function withManaged(resources: readonly Resource[]): readonly Resource[] {
  if (!resources.some((resource) => resource.type === "directory" && resource.params.purge)) return resources;
  const present = resources.flatMap((resource) => pathsOf(resource));
  return resources.map((resource) => {
    if (resource.type !== "directory" || !resource.params.purge) return resource;
    const prefix = resource.params.path === "/" ? "/" : `${resource.params.path}/`;
    const names = present.filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split("/")[0] ?? "");
    return { ...resource, params: { ...resource.params, managed: [...new Set(names)].sort() } };
  });
}

/** Paths that exist because of a resource. */
function pathsOf(resource: Resource): readonly string[] {
  switch (resource.type) {
    case "file":
      return resource.params.ensure === "absent" ? [] : [resource.params.path, ...(resource.params.backup ? [`${resource.params.path}.felhom-backup`] : [])];
    case "directory":
    case "symlink":
      return resource.params.ensure === "absent" ? [] : [resource.params.path];
    case "line":
      return [resource.params.path];
    case "command":
      return resource.params.creates === undefined ? [] : [resource.params.creates];
    case "cron":
      return resource.params.ensure === "absent" ? [] : [`/etc/cron.d/felhom-${resource.params.name}`];
    default:
      return [];
  }
}
