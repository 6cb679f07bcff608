/**
 * The way to a file that root will change, walked by directory handles so that nothing can be swapped behind us
 * (faults.md, attacks 38, 39, 43). Every directory on the way, and every symbolic link, is judged once per run and cached:
 * a hazard is a component that a less privileged user owns or may change. A resource whose way has a hazard is refused,
 * unless that user is the one the resource is given to (`owner:`), or it says `followSymlinks: true`.
 *
 * Links that only root could have made (`/var/run`, `/lib`) are followed: nobody else can turn them. In a sticky directory
 * (/tmp) nobody can turn what is root's, so what counts there is who owns the next component.
 *
 * Rejected: realpath() first and a check afterwards – whoever may swap a component does so between the two.
 */
import { Fault, isFault } from "../../../shared/core/fault.ts";
import type { DirHandle, Files, FileStat } from "../../../shared/ports/files.ts";

/** Users and groups, besides root and the agent itself, that may own or write directories on the way; and whether anything goes. */
export interface Trust {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
  readonly followSymlinks: boolean;
}

export const NOBODY_ELSE: Trust = { uids: [], gids: [], followSymlinks: false };

interface Hazard {
  readonly path: string;
  readonly by: "user" | "group" | "everybody";
  readonly id: number;
  readonly isLink: boolean;
}

interface Node {
  readonly handle: DirHandle;
  /** The literal path without links. */
  readonly real: string;
  readonly hazards: readonly Hazard[];
  /** Sticky and writable by others: an entry's own owner is what counts. */
  readonly isShared: boolean;
  readonly links: number;
}

/** A file's place: `at` goes through the handle of its directory and stays valid however names are moved. */
export interface Place {
  readonly at: string;
  readonly name: string;
  readonly dir: DirHandle;
  /** Without links. */
  readonly real: string;
  readonly isShared: boolean;
  /** Nobody but root and the agent can put anything there, or could have. */
  readonly isPrivate: boolean;
}

const HANDLES_MAX = 256;
const LINKS_MAX = 16;
const DEPTH_MAX = 64;

export class ParentDirs {
  readonly #files: Files;
  readonly #self: { readonly uid: number; readonly gid: number };
  readonly #nodes = new Map<string, Node>();

  constructor(files: Files, self: { readonly uid: number; readonly gid: number }) {
    this.#files = files;
    this.#self = self;
  }

  /** Where `path` is, or `undefined` when a directory on its way is not there. Throws `file_unsafe`, `file_not_regular` and what `Files` throws. */
  find(op: string, path: string, trust: Trust): Place | undefined {
    try {
      return this.place(op, path, trust);
    } catch (error) {
      if (isFault(error, "file_missing")) return undefined;
      throw error;
    }
  }

  /** As `find`, but a directory that is not there is `file_missing`. */
  place(op: string, path: string, trust: Trust): Place {
    const [parent, name] = split(path);
    if (name === "" || name === "." || name === "..")
      throw new Fault("file_unsafe", `Cannot use ${path}: it does not name an entry of a directory`, { facts: { op } });
    const node = this.#node(op, parent, 0);
    if (!trust.followSymlinks) this.#refuse(path, node.hazards, trust, op);
    return {
      at: `${node.handle.path}/${name}`,
      name,
      dir: node.handle,
      real: node.real === "/" ? `/${name}` : `${node.real}/${name}`,
      isShared: node.isShared,
      isPrivate: !node.isShared && node.hazards.length === 0,
    };
  }

  /** As `find`; when the entry is itself a link and `trust.followSymlinks` holds, the place that it leads to in the end. */
  findFollowed(op: string, path: string, trust: Trust): Place | undefined {
    let place = this.find(op, path, trust);
    for (let links = 0; trust.followSymlinks && place !== undefined; links++) {
      if (this.#files.stat(op, place.at)?.kind !== "symlink") return place;
      if (links >= LINKS_MAX) throw new Fault("file_unsafe", `Cannot follow ${path}: more than ${LINKS_MAX} links`, { facts: { op } });
      place = this.find(op, joined(split(place.real)[0], this.#files.readLink(op, place.at)), trust);
    }
    return place;
  }

  /** An entry that is about to be changed in place or replaced in a shared directory must not be somebody else's plant. */
  refuseForeign(op: string, path: string, place: Place, stat: FileStat | undefined, trust: Trust): void {
    if (stat === undefined || !place.isShared || trust.followSymlinks || this.#isTrusted(stat.uid) || trust.uids.includes(stat.uid)) return;
    throw new Fault("file_unsafe", `Cannot use ${path}: user ${stat.uid} put it into a directory that everybody may write`, { facts: { op, uid: stat.uid } });
  }

  /** Handles' paths (`/proc/self/fd/7/motd`) as people know them. Only while the handles are open. */
  inWords(text: string): string {
    let words = text;
    for (const { handle, real } of this.#nodes.values()) words = words.replaceAll(`${handle.path}/`, real === "/" ? "/" : `${real}/`);
    return words;
  }

  close(): void {
    for (const node of this.#nodes.values()) node.handle.close();
    this.#nodes.clear();
  }

  #node(op: string, path: string, links: number): Node {
    const known = this.#nodes.get(path);
    if (known !== undefined) return known;
    if (path.split("/").length > DEPTH_MAX)
      throw new Fault("file_unsafe", `Cannot walk to ${path.slice(0, 200)}: more than ${DEPTH_MAX} levels`, { facts: { op } });
    const node = path === "/" ? this.#root(op) : this.#child(op, path, links);
    this.#nodes.set(path, node);
    return node;
  }

  #root(op: string): Node {
    return this.#judged(this.#files.openDir(op, "/"), "/", [], 0);
  }

  #child(op: string, path: string, links: number): Node {
    const [parentPath, name] = split(path);
    const parent = this.#node(op, parentPath, links);
    if (name === "..") return this.#reopened(op, split(parent.real)[0], links);
    if (name === "" || name === ".") return this.#reopened(op, parent.real, links);
    const at = `${parent.handle.path}/${name}`;
    const stat = this.#files.stat(op, at);
    if (stat === undefined) throw new Fault("file_missing", `Cannot reach ${path}: it is not there`, { facts: { op } });
    if (stat.kind === "directory")
      return this.#judged(this.#files.openDir(op, at), parent.real === "/" ? `/${name}` : `${parent.real}/${name}`, parent.hazards, parent.links);
    if (stat.kind !== "symlink") throw new Fault("file_not_regular", `Cannot reach ${path}: it is not a directory`, { facts: { op } });
    if (links >= LINKS_MAX) throw new Fault("file_unsafe", `Cannot follow ${path}: more than ${LINKS_MAX} links`, { facts: { op } });
    const target = this.#node(op, joined(parent.real, this.#files.readLink(op, at)), links + 1);
    const planted: readonly Hazard[] = this.#isTrusted(stat.uid) ? [] : [{ path, by: "user", id: stat.uid, isLink: true }];
    const again = this.#reopened(op, target.real, links + 1);
    return { ...again, hazards: [...parent.hazards, ...planted, ...target.hazards] };
  }

  /** The same directory under another literal path: its own handle, so that each cached node closes its own. */
  #reopened(op: string, real: string, links: number): Node {
    const node = this.#node(op, real, links);
    return { ...node, handle: this.#files.openDir(op, `${node.handle.path}/.`) };
  }

  #judged(handle: DirHandle, real: string, before: readonly Hazard[], links: number): Node {
    if (this.#nodes.size >= HANDLES_MAX) this.close();
    const { uid, gid, mode } = handle.stat();
    const isSticky = (mode & 0o1000) !== 0;
    const hazards = [...before];
    if (!this.#isTrusted(uid)) hazards.push({ path: real, by: "user", id: uid, isLink: false });
    if ((mode & 0o020) !== 0 && !isSticky && gid !== 0 && gid !== this.#ownGroup()) hazards.push({ path: real, by: "group", id: gid, isLink: false });
    if ((mode & 0o002) !== 0 && !isSticky) hazards.push({ path: real, by: "everybody", id: 0, isLink: false });
    return { handle, real, hazards, isShared: isSticky && (mode & 0o022) !== 0, links };
  }

  #refuse(path: string, hazards: readonly Hazard[], trust: Trust, op: string): void {
    const hazard = hazards.find(({ by, id, isLink }) => isLink || by === "everybody" || (by === "user" ? !trust.uids.includes(id) : !trust.gids.includes(id)));
    if (hazard === undefined) return;
    const who = hazard.by === "everybody" ? "everybody" : `${hazard.by} ${hazard.id}`;
    const what = hazard.isLink ? `the link ${hazard.path} belongs to ${who}` : `${hazard.path} can be changed by ${who}`;
    throw new Fault("file_unsafe", `Cannot use ${path}: ${what}`, {
      facts: { op },
      remedy: "Give the file to the owner of that directory, take the directory away from others, or set followSymlinks: true",
    });
  }

  #isTrusted(uid: number): boolean {
    return uid === 0 || uid === this.#self.uid;
  }

  /** An ordinary user's own group (umask 002 of Debian's user private groups). Root trusts group 0 only. */
  #ownGroup(): number {
    return this.#self.uid === 0 ? 0 : this.#self.gid;
  }
}

function split(path: string): [string, string] {
  const cut = path.lastIndexOf("/");
  return [cut <= 0 ? "/" : path.slice(0, cut), path.slice(cut + 1)];
}

function joined(base: string, target: string): string {
  const whole = target.startsWith("/") ? target : `${base === "/" ? "" : base}/${target}`;
  const parts = whole.split("/").filter((part) => part !== "" && part !== ".");
  return `/${parts.join("/")}`;
}
