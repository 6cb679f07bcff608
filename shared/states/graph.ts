import type { Resource } from "./resource.ts";
import { nearest } from "./schema-issues.ts";

/**
 * Puts resources in the order they are converged: as declared, except that what a resource requires or watches comes before
 * it. Pure; says every id that is there twice, every reference to nothing, and a cycle link by link.
 */
export interface GraphFault {
  /** The resource that it is about; faults are shown where it was declared. */
  readonly resource: Resource;
  readonly at: readonly (string | number)[];
  readonly message: string;
  readonly remedy?: string;
}

export type Ordered = { readonly ok: true; readonly resources: readonly Resource[] } | { readonly ok: false; readonly faults: readonly GraphFault[] };

/** `absent`: ids that were declared but not for this host (`onlyIf`); a reference to one is dropped. */
export function orderResources(declared: readonly Resource[], absent: ReadonlySet<string>): Ordered {
  const byId = new Map<string, Resource>();
  const faults: GraphFault[] = [];
  for (const resource of declared) {
    const other = byId.get(resource.id);
    if (other === undefined) byId.set(resource.id, resource);
    else faults.push({ resource, at: [], message: `${resource.id} is declared twice: also in ${other.from}`, remedy: "Declare it once, in one state." });
  }
  faults.push(...doublePaths(declared));
  const resources = declared.map((resource) => (absent.size === 0 ? resource : withoutAbsent(resource, absent, byId)));
  for (const resource of resources) {
    for (const kind of ["require", "watch"] as const) {
      for (const reference of resource[kind]) {
        if (!byId.has(reference)) faults.push({ resource, at: [kind], ...unknownReference(reference, kind, byId) });
        else if (reference === resource.id) faults.push({ resource, at: [kind], message: `${resource.id} refers to itself` });
      }
    }
  }
  if (faults.length > 0) return { ok: false, faults };
  return inOrder(resources);
}

function withoutAbsent(resource: Resource, absent: ReadonlySet<string>, byId: ReadonlyMap<string, Resource>): Resource {
  const stays = (id: string) => byId.has(id) || !absent.has(id);
  if (resource.require.every(stays) && resource.watch.every(stays)) return resource;
  return { ...resource, require: resource.require.filter(stays), watch: resource.watch.filter(stays) };
}

function unknownReference(reference: string, kind: string, byId: ReadonlyMap<string, Resource>): { readonly message: string; readonly remedy: string } {
  const named = [...byId.values()].filter((resource) => resource.name === reference).map((resource) => resource.id);
  const guess = named.length > 0 ? named.join(" or ") : nearest(reference, [...byId.keys()].slice(0, 2_000));
  return {
    message: `${kind} names ${reference}, which this host has not`,
    remedy: guess === undefined ? "An id is the type, a slash and the path or name: file//etc/motd, service/nginx." : `Did you mean ${guess}?`,
  };
}

/** A file, a directory and a symlink cannot be at one path. */
function doublePaths(resources: readonly Resource[]): readonly GraphFault[] {
  const byPath = new Map<string, Resource>();
  const faults: GraphFault[] = [];
  for (const resource of resources) {
    if (resource.type !== "file" && resource.type !== "directory" && resource.type !== "symlink") continue;
    const other = byPath.get(resource.name);
    if (other === undefined) byPath.set(resource.name, resource);
    else if (other.id !== resource.id) faults.push({ resource, at: [], message: `${resource.id} and ${other.id} (${other.from}) are at one path` });
  }
  return faults;
}

function inOrder(resources: readonly Resource[]): Ordered {
  const byId = new Map(resources.map((resource) => [resource.id, resource]));
  const isDone = new Set<string>();
  const ordered: Resource[] = [];
  for (const start of resources) {
    // An explicit stack: a chain may be as long as there are resources.
    const path: { readonly resource: Resource; readonly needs: readonly string[]; next: number }[] = [];
    const onPath = new Set<string>();
    const enter = (resource: Resource) => {
      path.push({ resource, needs: [...resource.require, ...resource.watch], next: 0 });
      onPath.add(resource.id);
    };
    if (!isDone.has(start.id)) enter(start);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const need = top.needs[top.next++];
      if (need === undefined) {
        path.pop();
        onPath.delete(top.resource.id);
        isDone.add(top.resource.id);
        ordered.push(top.resource);
      } else if (onPath.has(need)) {
        const ids = path.map((step) => step.resource.id);
        const cycle = [...ids.slice(ids.indexOf(need)), need];
        return {
          ok: false,
          faults: [
            { resource: top.resource, at: [], message: `requirements run in a circle: ${cycle.join(" → ")}`, remedy: "Remove one require or watch of these." },
          ],
        };
      } else if (!isDone.has(need)) {
        const resource = byId.get(need);
        if (resource !== undefined) enter(resource);
      }
    }
  }
  return { ok: true, resources: ordered };
}
