/**
 * Users and groups by name and number, from /etc/passwd and /etc/group: one read each per run instead of a process per name.
 * A name that is in neither (LDAP, systemd) is asked of `getent` once. An unknown name is a fault, never "root".
 */
import { Fault, isFault } from "../../../shared/core/fault.ts";
import type { FileStat } from "../../../shared/ports/files.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { ObservedOwner, Principal } from "../../../shared/states/resources/fields.ts";
import { run } from "./run.ts";

export interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly comment: string;
  readonly home: string;
  readonly shell: string;
}

export interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

const DATABASE_BYTES_MAX = 16 * 1024 * 1024;

export class Accounts {
  readonly #world: World;
  #users: Map<string, PasswdEntry> | undefined;
  #groups: Map<string, GroupEntry> | undefined;
  #userNames = new Map<number, string>();
  #groupNames = new Map<number, string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** After a user or group was made, changed or removed. */
  forget(): void {
    this.#users = undefined;
    this.#groups = undefined;
  }

  users(): ReadonlyMap<string, PasswdEntry> {
    if (this.#users === undefined) {
      const entries = parsePasswd(this.#read("/etc/passwd"));
      this.#users = new Map(entries.map((entry) => [entry.name, entry]));
      this.#userNames = new Map(entries.toReversed().map((entry) => [entry.uid, entry.name]));
    }
    return this.#users;
  }

  groups(): ReadonlyMap<string, GroupEntry> {
    if (this.#groups === undefined) {
      const entries = parseGroup(this.#read("/etc/group"));
      this.#groups = new Map(entries.map((entry) => [entry.name, entry]));
      this.#groupNames = new Map(entries.toReversed().map((entry) => [entry.gid, entry.name]));
    }
    return this.#groups;
  }

  ownerOf(stat: FileStat): ObservedOwner {
    this.users();
    this.groups();
    const owner = this.#userNames.get(stat.uid);
    const group = this.#groupNames.get(stat.gid);
    return { uid: stat.uid, gid: stat.gid, ...(owner === undefined ? {} : { owner }), ...(group === undefined ? {} : { group }) };
  }

  /** Makes sure that the names are known, asking the name service for those that are not local. Unknown ones are left: `uidOf` then throws. */
  async learn(owners: readonly (Principal | undefined)[], groups: readonly (Principal | undefined)[]): Promise<void> {
    const users = this.users();
    const known = this.groups();
    for (const name of new Set(owners)) {
      if (typeof name !== "string" || users.has(name)) continue;
      const [entry] = parsePasswd(await this.#getent("passwd", name));
      if (entry === undefined) continue;
      this.#users?.set(name, entry);
      this.#userNames.set(entry.uid, name);
    }
    for (const name of new Set(groups)) {
      if (typeof name !== "string" || known.has(name)) continue;
      const [entry] = parseGroup(await this.#getent("group", name));
      if (entry === undefined) continue;
      this.#groups?.set(name, entry);
      this.#groupNames.set(entry.gid, name);
    }
  }

  uidOf(who: Principal): number {
    if (typeof who === "number") return who;
    const entry = this.users().get(who);
    if (entry === undefined) throw new Fault("not_found", `Cannot find user ${who}: this system has none of that name`);
    return entry.uid;
  }

  gidOf(which: Principal): number {
    if (typeof which === "number") return which;
    const entry = this.groups().get(which);
    if (entry === undefined) throw new Fault("not_found", `Cannot find group ${which}: this system has none of that name`);
    return entry.gid;
  }

  async #getent(database: "passwd" | "group", name: string): Promise<string> {
    try {
      const done = await run(this.#world, "accounts.getent", ["getent", database, name]);
      return done.code === 0 ? done.stdout : "";
    } catch (error) {
      if (isFault(error, "exec_missing")) return "";
      throw error;
    }
  }

  /** A system without the file has no local accounts; one whose file cannot be read is a failure. */
  #read(path: string): string {
    try {
      return new TextDecoder().decode(this.#world.files.read("accounts.read", path, { bytesMax: DATABASE_BYTES_MAX, follow: true }));
    } catch (error) {
      if (isFault(error, "file_missing")) return "";
      throw error;
    }
  }
}

export function parsePasswd(text: string): readonly PasswdEntry[] {
  return lines(text, 7).map(([name = "", , uid, gid, comment = "", home = "", shell = ""]) => ({
    name,
    uid: Number(uid),
    gid: Number(gid),
    comment,
    home,
    shell,
  }));
}

export function parseGroup(text: string): readonly GroupEntry[] {
  return lines(text, 4).map(([name = "", , gid, members = ""]) => ({ name, gid: Number(gid), members: members.split(",").filter((member) => member !== "") }));
}

/** Lines with exactly `fields` parts and a number where the id is; NIS lines (`+::`) and damaged ones are passed over. */
function lines(text: string, fields: number): readonly (readonly string[])[] {
  return text
    .split("\n")
    .map((line) => line.split(":"))
    .filter((parts) => parts.length === fields && parts[0] !== "" && /^\d+$/.test(parts[2] ?? ""));
}
