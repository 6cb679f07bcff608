/**
 * The operator's workstation: one directory (`~/.config/felhom`, 0700) with the vault, the hubs that are known (contexts), the
 * sessions with them, and for each fleet the root chain from its pinned version 1. The chain is verified again at every load, so
 * that a file changed on disk is refused, and it is only ever extended: what a hub says of the root is believed when it chains.
 */
import type * as z from "zod/mini";
import { utf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { type FleetId, isFleetId, NAME } from "../../shared/core/ids.ts";
import type { World } from "../../shared/ports/world.ts";
import type { AccessRole } from "../../shared/protocol/api/login.ts";
import type { Envelope } from "../../shared/protocol/fields.ts";
import { mustVerify } from "../../shared/trust/must-verify.ts";
import { extendRootChain, type TrustedRoot, verifyRootChain } from "../../shared/trust/root.ts";
import { parseVersioned } from "../../shared/trust/strict-json.ts";
import { CHAIN_BYTES_MAX, CONTEXTS_BYTES_MAX, contextsFile, fleetFile, SESSION_BYTES_MAX, sessionFile } from "../core/workstation-files.ts";
import { lockPrivate, privateDir, readPrivate, writePrivate } from "./private-files.ts";

type HomeWorld = Pick<World, "files" | "crypto" | "self">;

export interface HubContext {
  readonly name: string;
  readonly hubUrl: string;
  /** SHA-256 of the hub's SubjectPublicKeyInfo, base64url; empty: the system's certificate authorities decide. */
  readonly pins: readonly string[];
  readonly fleetId: FleetId;
}

export interface SavedSession {
  readonly hubUrl: string;
  readonly token: string;
  readonly role: AccessRole;
  readonly expiresAt: number;
}

export interface FleetRoots {
  readonly fleetId: FleetId;
  /** SHA-256 of version 1's payload: what join codes carry. */
  readonly pin: string;
  /** Version 1, 2, 3 … */
  readonly chain: readonly Envelope[];
  readonly newest: TrustedRoot;
  /** The next root, when it still lacks signatures. */
  readonly pending: Envelope | undefined;
}

export class Workstation {
  readonly home: string;
  readonly #world: HomeWorld;

  constructor(world: HomeWorld, home: string) {
    this.#world = world;
    this.home = home.replace(/\/+$/, "");
  }

  contexts(): { readonly current: string | undefined; readonly all: readonly HubContext[] } {
    const file = this.#read(contextsFile, "contexts.json", CONTEXTS_BYTES_MAX);
    const all = Object.entries(file?.contexts ?? {}).map(([name, context]) => ({
      name,
      hubUrl: context.hub_url,
      pins: context.pins,
      fleetId: context.fleet_id,
    }));
    return { current: file?.current ?? undefined, all };
  }

  /** The context that is asked for, or the current one. Throws `not_found` with what to do. */
  context(asked?: string): HubContext {
    const found = this.contextIfAny(asked);
    if (found !== undefined) return found;
    throw asked === undefined
      ? new Fault("not_found", "Cannot tell which hub is meant: none is known yet", { remedy: "felhom login --hub URL" })
      : new Fault("not_found", `Cannot find the context ${asked}`, { remedy: "felhom context list shows every one." });
  }

  contextIfAny(asked?: string): HubContext | undefined {
    const { current, all } = this.contexts();
    return all.find(({ name }) => name === (asked ?? current));
  }

  /** Adds or replaces it. The first one becomes the current one. */
  saveContext(context: HubContext): void {
    if (!NAME.test(context.name))
      throw new Fault("bad_request", `Cannot use the name ${context.name} for a context`, {
        remedy: "Lower-case letters, digits, dots, dashes and underscores, at most 63.",
      });
    this.#locked(() => {
      const { current, all } = this.contexts();
      this.#writeContexts(current ?? context.name, [...all.filter(({ name }) => name !== context.name), context]);
    });
  }

  useContext(name: string): void {
    this.#locked(() => this.#writeContexts(this.context(name).name, this.contexts().all));
  }

  removeContext(name: string): void {
    this.#locked(() => {
      const { current, all } = this.contexts();
      const gone = this.context(name).name;
      this.#world.files.remove("session.remove", this.#sessionPath(gone));
      this.#writeContexts(
        current === gone ? undefined : current,
        all.filter((context) => context.name !== gone),
      );
    });
  }

  session(contextName: string): SavedSession | undefined {
    const file = this.#read(sessionFile, `sessions/${checked(contextName)}.json`, SESSION_BYTES_MAX);
    return file === undefined ? undefined : { hubUrl: file.hub_url, token: file.token, role: file.role, expiresAt: file.expires_at };
  }

  saveSession(contextName: string, session: SavedSession): void {
    this.#write(`sessions/${checked(contextName)}.json`, {
      v: 1,
      hub_url: session.hubUrl,
      token: session.token,
      role: session.role,
      expires_at: session.expiresAt,
    } satisfies z.infer<typeof sessionFile>);
  }

  removeSession(contextName: string): boolean {
    return this.#world.files.remove("session.remove", this.#sessionPath(contextName));
  }

  /** Fleets whose root is pinned here. */
  fleets(): readonly FleetId[] {
    const dir = `${this.home}/fleets`;
    if (this.#world.files.stat("fleet.list", dir) === undefined) return [];
    return this.#world.files.list("fleet.list", dir).flatMap((file) => {
      const id = file.replace(/\.json$/, "");
      return file !== id && isFleetId(id) ? [id] : [];
    });
  }

  /** The fleet of the asked or current context; without any context the only fleet there is. Throws `not_found` with what to do. */
  fleet(askedContext?: string): FleetRoots {
    const context = this.contextIfAny(askedContext);
    if (context !== undefined) return this.roots(context.fleetId);
    if (askedContext !== undefined) return this.roots(this.context(askedContext).fleetId);
    const [only, second] = this.fleets();
    if (only === undefined)
      throw new Fault("not_found", `Cannot tell which fleet is meant: ${this.home} knows none`, {
        remedy: "felhom key new makes a key and the fleet's root; felhom login --join CODE --hub URL joins one that exists.",
      });
    if (second !== undefined)
      throw new Fault("not_found", "Cannot tell which fleet is meant: more than one is known here, and no context is chosen", {
        remedy: "felhom context use NAME",
      });
    return this.roots(only);
  }

  /** Verified again from its pin at every load. Throws `refused` when the file does not chain, `not_found` when there is none. */
  roots(fleetId: FleetId): FleetRoots {
    const file = this.#read(fleetFile, `fleets/${fleetId}.json`, CHAIN_BYTES_MAX);
    if (file === undefined)
      throw new Fault("not_found", `Cannot find the root of fleet ${fleetId} on this workstation`, {
        remedy: "felhom login --join CODE --hub URL, with a join code of that fleet from another operator.",
      });
    const newest = mustVerify(
      verifyRootChain(file.roots, file.pin),
      `Cannot use the root of fleet ${fleetId} in ${this.home}`,
      "The file was changed or damaged. Restore it from a backup, or remove it and log in again with a join code.",
    );
    if (newest.payload.fleet_id !== fleetId)
      throw new Fault("refused", `Cannot use the root in fleets/${fleetId}.json: it is of fleet ${newest.payload.fleet_id}`, {
        facts: { refusal: "fleet_mismatch" },
      });
    return { fleetId, pin: file.pin, chain: file.roots, newest, pending: file.pending };
  }

  /** A fleet's chain from version 1, verified against the pin; never replaces a chain that is longer or differs. */
  pinFleet(chain: readonly Envelope[], pin: string): FleetRoots {
    const newest = mustVerify(verifyRootChain(chain, pin), "Cannot take this fleet's root");
    const { fleet_id } = newest.payload;
    return this.#locked(() => {
      if (this.fleets().includes(fleet_id)) {
        const known = this.roots(fleet_id);
        if (known.pin !== pin)
          throw new Fault("refused", `Cannot pin fleet ${fleet_id} again: another root version 1 is pinned here`, { facts: { refusal: "root_hash_mismatch" } });
        if (known.newest.payload.version >= newest.payload.version) return known;
      }
      this.#writeFleet(fleet_id, { pin, roots: chain, pending: undefined });
      return this.roots(fleet_id);
    });
  }

  /** Newer roots that a hub sent, or that were made here. Those that are held already are passed over; a fork is refused. */
  extendRoots(fleetId: FleetId, newer: readonly Envelope[]): FleetRoots {
    const freshAfter = ({ chain }: FleetRoots): readonly Envelope[] => {
      const held = new Set(chain.map(({ payload }) => payload));
      return newer.filter(({ payload }) => !held.has(payload));
    };
    // Every command looks for newer roots: only one that found some waits for the lock, which another may hold while it asks for a passphrase.
    const seen = this.roots(fleetId);
    if (freshAfter(seen).length === 0) return seen;
    return this.#locked(() => {
      const known = this.roots(fleetId);
      const fresh = freshAfter(known);
      if (fresh.length === 0) return known;
      mustVerify(extendRootChain(known.newest, fresh), "Cannot take a newer root");
      // A root that was waiting here for signatures followed the old version: it can never count now.
      this.#writeFleet(fleetId, { pin: known.pin, roots: [...known.chain, ...fresh], pending: undefined });
      return this.roots(fleetId);
    });
  }

  savePendingRoot(fleetId: FleetId, pending: Envelope | undefined): void {
    this.#locked(() => {
      const { pin, chain } = this.roots(fleetId);
      this.#writeFleet(fleetId, { pin, roots: chain, pending });
    });
  }

  #writeContexts(current: string | undefined, all: readonly HubContext[]): void {
    const contexts = Object.fromEntries(all.map(({ name, hubUrl, pins, fleetId }) => [name, { hub_url: hubUrl, pins: [...pins], fleet_id: fleetId }]));
    this.#write("contexts.json", { v: 1, current: current ?? null, contexts } satisfies z.infer<typeof contextsFile>);
  }

  #writeFleet(
    fleetId: FleetId,
    { pin, roots, pending }: { readonly pin: string; readonly roots: readonly Envelope[]; readonly pending: Envelope | undefined },
  ): void {
    this.#write(`fleets/${fleetId}.json`, { v: 1, pin, roots, ...(pending === undefined ? {} : { pending }) });
  }

  #read<T>(schema: z.ZodMiniType<T>, name: string, bytesMax: number): T | undefined {
    const path = `${this.home}/${name}`;
    const bytes = readPrivate(this.#world, "workstation.read", path, bytesMax);
    if (bytes === undefined) return undefined;
    const parsed = parseVersioned(schema, bytes, bytesMax);
    if (parsed.ok) return parsed.value;
    throw new Fault("bad_request", `Cannot read ${path}: ${parsed.refusal} ${parsed.detail}`, {
      remedy: "The file was changed or damaged. Restore it from a backup, or remove it and log in again.",
    });
  }

  #write(name: string, value: unknown): void {
    const path = `${this.home}/${name}`;
    privateDir(this.#world, "workstation.home", this.home);
    privateDir(this.#world, "workstation.home", path.slice(0, path.lastIndexOf("/")));
    writePrivate(this.#world, "workstation.write", path, utf8(`${JSON.stringify(value)}\n`));
  }

  #sessionPath(contextName: string): string {
    return `${this.home}/sessions/${checked(contextName)}.json`;
  }

  /** One command at a time changes the home. Not nested. */
  #locked<T>(change: () => T): T {
    privateDir(this.#world, "workstation.home", this.home);
    const held = lockPrivate(this.#world, "workstation.lock", `${this.home}/lock`);
    try {
      return change();
    } finally {
      held.release();
    }
  }
}

function checked(contextName: string): string {
  if (!NAME.test(contextName)) throw new Fault("bad_request", `Cannot use the name ${contextName} for a context`);
  return contextName;
}
