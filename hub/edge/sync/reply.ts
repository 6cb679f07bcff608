/**
 * Sync replies. The usual one, with nothing newer, is put together from numbers; documents are pasted in as the JSON text they were
 * stored in, so that a bundle for 10 000 hosts is read from the database once and never parsed here.
 */
import { encode } from "@msgpack/msgpack";
import { Fault } from "../../../shared/core/fault.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import { PROTOCOL, PROTOCOL_MIN } from "../../../shared/protocol/version.ts";
import { hasNewer, lacksSigned, type Newest } from "../../core/sync/newer.ts";
import type { Hub } from "../hub.ts";
import { findBundle } from "../store/bundles.ts";
import { findHost } from "../store/hosts.ts";
import { listRoots } from "../store/roots.ts";
import { opParts } from "../ops/offer-ops.ts";
import type { HostEntry } from "./host-table.ts";

/** As many as the reply's schema allows; a box further behind syncs again. */
const ROOTS_PER_REPLY_MAX = 64;
/** A box that was given the same things this often and still lacks them refuses them: it is not asked again at every turn. */
const TOLD_MAX = 3;
const TELL_AGAIN_MS = 60_000;
const ASK_OFFER_AGAIN_MS = 60_000;

// Made once: a Response copies a Headers faster than it reads an object.
const JSON_HEADERS = new Headers({ "content-type": "application/json", "x-content-type-options": "nosniff" });
const MSGPACK_HEADERS = new Headers({ "content-type": "application/msgpack", "x-content-type-options": "nosniff" });

export interface Extras {
  readonly nextMs: number;
  readonly wantOffer: boolean;
}

/** Nothing newer. The one path that a fleet at rest takes. */
export function idleReply(entry: HostEntry, epoch: number, msgpack: boolean, extras: Extras): Response {
  const head = headText(entry, epoch, extras);
  return msgpack ? asMsgpack(`{${head}}`) : new Response(`{${head}}`, { headers: JSON_HEADERS });
}

/** Nothing of the request was taken: whoever sent it is to say `echo` again. The count is the one that holds if it is believed. */
export function doubtReply(entry: Pick<HostEntry, "ackedSeq" | "ledgerSaid" | "ledgerHigh">, epoch: number, msgpack: boolean, echo: string): Response {
  const head = headText(entry, epoch, { nextMs: 0, wantOffer: false });
  const text = `{${head},"echo":${JSON.stringify(echo)}}`;
  return msgpack ? asMsgpack(text) : new Response(text, { headers: JSON_HEADERS });
}

function headText(entry: Pick<HostEntry, "ackedSeq" | "ledgerSaid" | "ledgerHigh">, epoch: number, { nextMs, wantOffer }: Extras): string {
  return `"v":1,"protocol":${PROTOCOL},"min_protocol":${PROTOCOL_MIN},"hub_epoch":${epoch},"acked_seq":${entry.ackedSeq},"next_ms":${nextMs}${wantOffer ? ',"want_offer":true' : ""}${ledgerText(entry)}`;
}

/** Only to a box that tells less than it once did: an older copy of its record of ops was put back. */
function ledgerText({ ledgerSaid, ledgerHigh }: Pick<HostEntry, "ledgerSaid" | "ledgerHigh">): string {
  return ledgerSaid >= 0 && ledgerSaid < ledgerHigh ? `,"ledger_generation":${ledgerHigh}` : "";
}

function asMsgpack(json: string): Response {
  return new Response(encode(JSON.parse(json)), { headers: MSGPACK_HEADERS });
}

export function newestFor(hub: Hub, entry: HostEntry): Newest {
  return { root: hub.fleet.rootVersion, cert: entry.certSerial, bundle: hub.fleet.bundleVersion, spec: entry.specGeneration };
}

/** Is there something to give now? Counts what was given and ignored, so that a box that refuses a document does not spin. */
export function shouldTell(entry: HostEntry, newest: Newest, nowMonoMs: number): boolean {
  if (!hasNewer(haveOf(entry), newest)) return false;
  const { told } = entry;
  if (told === undefined || !sameNewest(told.newest, newest)) return true;
  return told.times < TOLD_MAX || nowMonoMs - told.monoMs >= TELL_AGAIN_MS;
}

export function shouldAskOffer(entry: HostEntry, newest: Newest, nowMonoMs: number): boolean {
  return lacksSigned(haveOf(entry), newest) && nowMonoMs - entry.offerAskedMonoMs >= ASK_OFFER_AGAIN_MS;
}

export const haveOf = (entry: HostEntry) => ({ root: entry.haveRoot, cert: entry.haveCert, bundle: entry.haveBundle, spec: entry.haveSpec });

function sameNewest(a: Newest, b: Newest): boolean {
  return a.root === b.root && a.cert === b.cert && a.bundle === b.bundle && a.spec === b.spec;
}

/** Keeps the text of the newest bundle, because everybody asks for the same one at the same time. */
export class Replies {
  readonly #hub: () => Hub;
  #bundle: { readonly version: number; readonly text: Promise<string> } | undefined;

  constructor(hub: () => Hub) {
    this.#hub = hub;
  }

  /** Everything that is newer than what the box said it has. */
  async newer(entry: HostEntry, msgpack: boolean, extras: Extras): Promise<Response> {
    const hub = this.#hub();
    const newest = newestFor(hub, entry);
    const have = haveOf(entry);
    const parts = [headText(entry, hub.fleet.epoch, extras)];
    const bundle = have.bundle < newest.bundle ? await this.#bundleText(hub, newest.bundle) : undefined;
    // Most often there is an op and nothing else.
    if (have.root < newest.root || have.cert < newest.cert || have.spec < newest.spec)
      await hub.store.read((db) => {
        if (have.root < newest.root)
          parts.push(
            `"roots":[${listRoots(db, have.root, ROOTS_PER_REPLY_MAX)
              .map((row) => row.envelope)
              .join(",")}]`,
          );
        parts.push(...ownDocuments(db, entry, have, newest));
      });
    if (bundle !== undefined) parts.push(`"bundle":${bundle}`);
    if (entry.ops !== undefined) parts.push(...(await opParts(hub, entry)));
    if (entry.natsGift !== undefined) parts.push(`"nats":${entry.natsGift}`);
    entry.natsGift = undefined;
    entry.told = {
      newest,
      times: entry.told !== undefined && sameNewest(entry.told.newest, newest) ? entry.told.times + 1 : 1,
      monoMs: hub.world.clock.monoMs(),
    };
    const text = `{${parts.join(",")}}`;
    return msgpack ? asMsgpack(text) : new Response(text, { headers: JSON_HEADERS });
  }

  #bundleText(hub: Hub, version: number): Promise<string> {
    if (this.#bundle?.version === version) return this.#bundle.text;
    const text = hub.store
      .read((db) => findBundle(db, version))
      .then((row) => {
        if (row === undefined) throw new Fault("db_failed", `Cannot read bundle ${version}: it is not in the database`);
        return row.envelope;
      });
    this.#bundle = { version, text };
    text.catch(() => {
      this.#bundle = undefined;
    });
    return text;
  }
}

function ownDocuments(db: Database, entry: HostEntry, have: { readonly cert: number; readonly spec: number }, newest: Newest): readonly string[] {
  if (have.cert >= newest.cert && have.spec >= newest.spec) return [];
  const host = findHost(db, entry.hostId);
  if (host === undefined) throw new Fault("db_failed", `Cannot read host ${entry.hostId}: it is not in the database`);
  const parts: string[] = [];
  if (have.cert < newest.cert && host.host_cert !== null) parts.push(`"host_cert":${host.host_cert}`);
  if (have.spec < newest.spec) parts.push(`"spec":${host.spec}`);
  return parts;
}
