import { utf8 } from "../../../shared/core/bytes.ts";
import { sha256Hex } from "../../../shared/core/sha256.ts";
import { unifiedDiff } from "../../../shared/core/unified-diff.ts";
import type { Resource } from "../../../shared/states/resource.ts";

/**
 * What differs between the resources of one host in two bundles. Both sides are rendered, neither is the box: what the box has
 * drifted to is its own report's matter. A resource that is gone is no longer managed; nothing on the box is undone.
 */
export interface Change {
  readonly resource: string;
  readonly action: "add" | "change" | "remove";
  /** `ensure: running → stopped`, one line each. */
  readonly differences: readonly string[];
  /** Unified diff of a file's content; empty when there is nothing to show. */
  readonly diff: readonly string[];
}

/** A tree that resources were rendered from: hashes of its files, and their text where it may be shown. */
export interface Tree {
  readonly sha256Of: (path: string) => string | undefined;
  /** `undefined`: binary, too large, or not to be had. */
  readonly textOf: (path: string) => Promise<string | undefined>;
}

export interface Side {
  readonly resources: readonly Resource[];
  readonly tree: Tree;
}

export async function compareResources(before: Side, after: Side): Promise<readonly Change[]> {
  const old = new Map(before.resources.map((resource) => [resource.id, resource]));
  const changes: Change[] = [];
  for (const resource of after.resources) {
    const was = old.get(resource.id);
    old.delete(resource.id);
    const change = await changeOf(was, resource, before.tree, after.tree);
    if (change !== undefined) changes.push(change);
  }
  for (const resource of old.values()) changes.push({ resource: resource.id, action: "remove", differences: [], diff: [] });
  return changes;
}

async function changeOf(was: Resource | undefined, is: Resource, before: Tree, after: Tree): Promise<Change | undefined> {
  if (was === undefined)
    return { resource: is.id, action: "add", differences: is.sensitive ? [HIDDEN] : introduced(is), diff: await contentDiff(undefined, is, before, after) };
  const differences = differencesOf(facetsOf(was, before), facetsOf(is, after));
  if (differences.length === 0) return undefined;
  if (was.sensitive || is.sensitive) return { resource: is.id, action: "change", differences: [HIDDEN], diff: [] };
  return {
    resource: is.id,
    action: "change",
    differences: differences.filter((line) => !line.startsWith("content: ")),
    diff: await contentDiff(was, is, before, after),
  };
}

const HIDDEN = "(made from a secret: not shown)";
const VALUE_CHARS_MAX = 60;

/** What a new resource is about, where its name does not say it. */
function introduced(resource: Resource): readonly string[] {
  const facets = facetsOf(resource, undefined);
  const { ensure } = facets;
  return ensure === undefined || ensure === '"present"' ? [] : [`ensure: ${plain(ensure)}`];
}

/** Everything about a resource that makes a difference on the box, as texts that can be compared. */
function facetsOf(resource: Resource, tree: Tree | undefined): Readonly<Record<string, string>> {
  const { content, source, managed, ...params }: Readonly<Record<string, unknown>> = {
    content: undefined,
    source: undefined,
    managed: undefined,
    ...resource.params,
  };
  const facets: Record<string, string> = {};
  for (const [name, value] of Object.entries(params)) if (value !== undefined) facets[name] = JSON.stringify(value);
  if (typeof content === "string") facets["content"] = sha256Hex(utf8(content));
  if (typeof source === "string") facets["content"] = tree?.sha256Of(source) ?? source;
  if (Array.isArray(managed) && managed.length > 0 && params["purge"] === true) facets["leaves"] = JSON.stringify(managed);
  if (resource.require.length > 0) facets["require"] = JSON.stringify(resource.require);
  if (resource.watch.length > 0) facets["watch"] = JSON.stringify(resource.watch);
  if (resource.onFail !== "continue") facets["onFail"] = JSON.stringify(resource.onFail);
  return facets;
}

function differencesOf(was: Readonly<Record<string, string>>, is: Readonly<Record<string, string>>): readonly string[] {
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])];
  return names.filter((name) => was[name] !== is[name]).map((name) => `${name}: ${plain(was[name])} → ${plain(is[name])}`);
}

function plain(json: string | undefined): string {
  if (json === undefined) return "(unset)";
  const text = /^"[^"\\]*"$/.test(json) ? json.slice(1, -1) : json;
  return text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX - 1)}…`;
}

async function contentDiff(was: Resource | undefined, is: Resource, before: Tree, after: Tree): Promise<readonly string[]> {
  if (is.type !== "file" || is.sensitive || is.params.ensure === "absent") return [];
  const then = was === undefined ? "" : await contentText(was, before);
  const now = await contentText(is, after);
  if (then === undefined || now === undefined)
    return was !== undefined && facetsOf(was, before)["content"] === facetsOf(is, after)["content"] ? [] : ["(content not shown: binary or large)"];
  return unifiedDiff(then, now, is.params.path);
}

async function contentText(resource: Resource, tree: Tree): Promise<string | undefined> {
  if (resource.type !== "file") return undefined;
  if (resource.params.content !== undefined) return resource.params.content;
  return resource.params.source === undefined ? "" : tree.textOf(resource.params.source);
}
