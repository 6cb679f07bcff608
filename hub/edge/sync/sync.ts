/**
 * POST /agent/v1/sync: the one request that every box makes, for ever. Nothing newer and nothing to store is the usual case, and it
 * touches no database, allocates little and logs nothing. The order: credential → size → form → who is it → what did it
 * bring → what is newer → answer or hold. Identity comes from the credential alone; a body that names another host is refused.
 */
import { Fault, isFault } from "../../../shared/core/fault.ts";
import type { Peer } from "../../../shared/ports/net.ts";
import { SYNC_REQUEST_BYTES_MAX, type SyncRequest } from "../../../shared/protocol/sync.ts";
import { nextArrival, type Rate, ratePerSecond, waitMs } from "../../core/limits/gcra.ts";
import { adoptGeneration } from "../../core/sync/newer.ts";
import { readBytes, readText } from "../http/body.ts";
import type { Guard } from "../http/guard.ts";
import { faultReply } from "../http/problem.ts";
import type { Hub } from "../hub.ts";
import { natsGift } from "../nats/give.ts";
import { hasDueOffer, hasFirstOffer, nextOfferInMs } from "../ops/offers.ts";
import { appendEvent } from "../store/events.ts";
import { findHost, replaceSpec } from "../store/hosts.ts";
import { confirmHostCredential } from "../store/host-credentials.ts";
import { forgetSealedCredential } from "../store/enrollments.ts";
import { doubted, isDoubtful, noteLedger, noteStarts } from "./boots.ts";
import type { HeldEnd } from "./courier.ts";
import type { Credential, HostEntry } from "./host-table.ts";
import type { LastSeen } from "./last-seen.ts";
import { takeOffer } from "./offer.ts";
import { takeOutbox } from "./outbox.ts";
import { revokedFault } from "./revoked.ts";
import { type Extras, idleReply, newestFor, type Replies, shouldAskOffer, shouldTell } from "./reply.ts";
import { bearerHash, isJson, parseSync, wantsMsgpack } from "./request.ts";

/** What a box at rest sends is some 250 characters. */
const QUIET_CHARS_MAX = 512;
const HOST_BURST = 30;
/** That a box is given an op, answers it, and asks to be held again. */
const SYNCS_OF_OP = 2;
/** Boxes that may be given an op at the same moment without any of them being asked to wait after its answer. */
export const CROWD_ABOVE = 50;
/** A box is asked to stay away for no longer, and so long what is meant for it waits. */
export const CROWD_WAIT_MS_MAX = 1_000;
/** The slowest pace the hub asks for: far below the time after which a host counts as stale. */
export const PACE_MS_MAX = 60_000;
/** A box that invents generations is believed this often at most. */
const ADOPT_AGAIN_MS = 60_000;
/** When rows were left in the boxes because the disk is behind. */
const DEFERRED_NEXT_MS = 10_000;
/** What a stopping hub spreads its agents' return over. */
const STOPPING_SPREAD_MS = 5_000;

interface Received {
  readonly sha256: string;
  readonly credential: Credential;
  readonly body: string | Uint8Array;
  readonly peer: Peer;
  readonly request: Request;
}

interface Asked extends Pick<Received, "peer" | "request"> {
  readonly msgpack: boolean;
}

export class Sync {
  readonly #hub: Hub;
  readonly #guard: Guard;
  readonly #replies: Replies;
  readonly #lastSeen: LastSeen;
  readonly #each: Rate;
  readonly #all: Rate;
  readonly #crowd: Rate;
  #allArrival = 0;
  /** When the answers to all ops that were given are in, at the pace of `#all`. */
  #crowdArrival = 0;
  #tooOften = 0;
  #notHeld = 0;
  readonly counts = { answered: 0, held: 0, told: 0, refused: 0, deferred: 0, doubted: 0 };

  constructor(hub: Hub, parts: { readonly guard: Guard; readonly replies: Replies; readonly lastSeen: LastSeen }) {
    this.#hub = hub;
    this.#guard = parts.guard;
    this.#replies = parts.replies;
    this.#lastSeen = parts.lastSeen;
    const { syncsPerHostPerSecond, syncsPerSecond } = hub.settings.limits;
    this.#each = ratePerSecond(syncsPerHostPerSecond, Math.max(HOST_BURST, syncsPerHostPerSecond));
    this.#all = ratePerSecond(syncsPerSecond);
    this.#crowd = ratePerSecond(syncsPerSecond, CROWD_ABOVE + 1);
  }

  /** How often each of its bounds was hit. */
  get limits(): Readonly<Record<string, number>> {
    return { syncs_per_host: this.#tooOften, held: this.#notHeld, outbox_deferred: this.counts.deferred };
  }

  /** The route's whole handling; the server calls it before anything else is looked at but the request line and `host`. */
  handle(request: Request, peer: Peer): Response | Promise<Response> {
    const sha256 = bearerHash(request);
    const credential = sha256 === undefined ? undefined : this.#hub.hosts.byCredential(sha256);
    if (sha256 === undefined || credential === undefined) return this.#refuseStranger(request, peer);
    const { entry } = credential;
    if (entry.revoked) return this.#refuse(revokedFault());
    const nowMono = this.#hub.world.clock.monoMs();
    const wait = waitMs(entry.nextSyncMonoMs, nowMono, this.#each);
    if (wait > 0) {
      this.#tooOften += 1;
      return this.#refuse(new Fault("rate_limited", "Cannot answer this sync: this host asks too often", { facts: { retry_after_ms: wait } }));
    }
    entry.nextSyncMonoMs = nextArrival(entry.nextSyncMonoMs, nowMono, this.#each);
    const msgpack = request.headers.get("content-type") === "application/msgpack";
    if (!msgpack && !isJson(request))
      return this.#refuse(new Fault("unsupported_media", "Cannot read this sync: its content type is neither application/json nor application/msgpack"));
    const body = msgpack ? readBytes(request, SYNC_REQUEST_BYTES_MAX) : readText(request, SYNC_REQUEST_BYTES_MAX);
    // One promise more than the body's own, and one handler: this is what every sync costs.
    return body.then(
      (bytes) => this.#received({ sha256, credential, body: bytes, peer, request }),
      (error: unknown) => this.#failed(error),
    );
  }

  #received(got: Received): Response | Promise<Response> {
    try {
      return this.#judge(got);
    } catch (error) {
      return this.#failed(error);
    }
  }

  #judge({ sha256, credential, body, peer, request }: Received): Response | Promise<Response> {
    const { entry } = credential;
    // Again after the wait for the body: a revocation counts from its instant.
    if (entry.revoked) return this.#refuse(revokedFault());
    const msgpack = wantsMsgpack(request, typeof body !== "string");
    const nowMono = this.#hub.world.clock.monoMs();
    // A box at rest sends the same bytes again and again: they mean what they meant, and need no second parse.
    if (entry.quietBody === body && credential.confirmed) {
      this.#heard(entry, peer, request, nowMono);
      return this.#answer(entry, entry.quietWaitMs, { msgpack, peer, request }, nowMono);
    }
    const message = parseSync(body);
    if (message instanceof Fault) return this.#refuse(message);
    if (message.host_id !== entry.hostId) return this.#refuse(new Fault("denied", "Cannot take this sync: it names another host than its credential does"));
    if (isDoubtful(entry, message)) {
      this.counts.doubted += 1;
      return doubted(this.#hub, entry, message, msgpack);
    }
    this.#heard(entry, peer, request, nowMono);
    noteHave(entry, message);
    const ledger = message.ledger?.generation ?? -1;
    const isLedgerNews = ledger !== entry.ledgerSaid && ledger !== entry.ledgerHigh;
    if (!isLedgerNews) entry.ledgerSaid = ledger;
    const isQuiet =
      credential.confirmed &&
      !isLedgerNews &&
      message.outbox.length === 0 &&
      message.offer === undefined &&
      message.nats === undefined &&
      message.boot_id === entry.bootId &&
      message.run === entry.run &&
      message.have.spec <= entry.specGeneration;
    entry.quietBody = isQuiet && typeof body === "string" && body.length <= QUIET_CHARS_MAX ? body : "";
    entry.quietWaitMs = message.wait_ms;
    if (isQuiet) return this.#answer(entry, message.wait_ms, { msgpack, peer, request }, nowMono);
    return this.#takeAll(sha256, credential, message).then(
      (waitMs) =>
        waitMs === undefined ? this.#deferred(entry, msgpack) : this.#answer(entry, waitMs, { msgpack, peer, request }, this.#hub.world.clock.monoMs()),
      (error: unknown) => this.#failed(error),
    );
  }

  #heard(entry: HostEntry, peer: Peer, request: Request, nowMono: number): void {
    // The address costs a system call: once per flush is enough for something that hardly ever changes.
    if (!entry.dirty) entry.address = this.#guard.addressOf(request, peer);
    this.#lastSeen.heard(entry, nowMono);
  }

  /** What changes something: each step is durable before the answer says so. Returns how long to hold, or undefined when rows were left. */
  async #takeAll(sha256: string, credential: Credential, message: SyncRequest): Promise<number | undefined> {
    const hub = this.#hub;
    const { entry } = credential;
    if (!credential.confirmed) await confirm(hub, sha256, credential);
    await noteStarts(hub, entry, message);
    await adoptSpec(hub, entry, message.have.spec);
    if (message.offer !== undefined) await takeOffer(hub, entry, message.offer);
    if (message.nats?.want === true) entry.natsGift = await natsGift(hub, entry);
    const noted = noteLedger(hub, entry, message);
    if (message.outbox.length === 0) return noted.then(() => message.wait_ms);
    // Both waiting at once share one commit.
    const [taken] = await Promise.all([takeOutbox(hub, entry, message.outbox), noted]);
    switch (taken.is) {
      case "disorder":
        throw new Fault("bad_request", `Cannot take this outbox: row ${taken.seq} does not follow the one before it`);
      case "deferred":
        return undefined;
      case "taken":
        // Not held: the box is waiting for the acknowledgement.
        return 0;
    }
  }

  #deferred(entry: HostEntry, msgpack: boolean): Response {
    this.counts.deferred += 1;
    return idleReply(entry, this.#hub.fleet.epoch, msgpack, { nextMs: DEFERRED_NEXT_MS, wantOffer: false });
  }

  #answer(entry: HostEntry, askedWaitMs: number, { msgpack, peer, request }: Asked, nowMono: number): Response | Promise<Response> {
    // Revoked while something of it was being stored.
    if (entry.revoked) return this.#refuse(revokedFault());
    const hub = this.#hub;
    const newest = newestFor(hub, entry);
    const met = entry.met;
    entry.met = true;
    const pace = this.#pace(nowMono);
    const wantOffer = shouldAskOffer(entry, newest, nowMono);
    if (wantOffer) entry.offerAskedMonoMs = nowMono;
    if (entry.natsGift !== undefined || shouldTell(entry, newest, nowMono) || hasDueOffer(entry, nowMono)) {
      return this.#tell(entry, msgpack, { nextMs: pace, wantOffer }, nowMono);
    }
    const { courier } = hub;
    const hasRoom = courier.held < hub.settings.limits.heldMax;
    if (askedWaitMs > 0 && !hasRoom) this.#notHeld += 1;
    if (askedWaitMs > 0 && met && !wantOffer && !courier.isStopping && hasRoom) {
      this.counts.held += 1;
      peer.hold();
      // Never longer than until something is to be told again.
      const waitMs = entry.ops === undefined ? askedWaitMs : Math.min(askedWaitMs, nextOfferInMs(entry, nowMono));
      return courier.hold(entry, nowMono + waitMs, msgpack, request);
    }
    this.counts.answered += 1;
    const nextMs = courier.isStopping ? this.#stoppingMs() : Math.max(pace, this.#crowdMs(entry, nowMono));
    return idleReply(entry, hub.fleet.epoch, msgpack, { nextMs, wantOffer });
  }

  #tell(entry: HostEntry, msgpack: boolean, extras: Extras, nowMono: number): Promise<Response> {
    this.counts.told += 1;
    if (hasFirstOffer(entry, nowMono)) {
      // The requests that an op brings, one with its answer and one that is held again, are the hub's doing and no asking too often.
      entry.nextSyncMonoMs -= SYNCS_OF_OP * this.#each.intervalMs;
      const dueMs = CROWD_ABOVE * this.#crowd.intervalMs + CROWD_WAIT_MS_MAX;
      this.#crowdArrival = Math.min(nextArrival(this.#crowdArrival, nowMono, this.#crowd), nowMono + dueMs);
    }
    return this.#replies.newer(entry, msgpack, extras).catch((error: unknown) => this.#failed(error));
  }

  /** How long the agent should wait, so that all of them together keep to the cap: 0 as long as they do. */
  #pace(nowMono: number): number {
    const wait = Math.min(PACE_MS_MAX, waitMs(this.#allArrival, nowMono, this.#all));
    this.#allArrival = Math.min(nextArrival(this.#allArrival, nowMono, this.#all), nowMono + PACE_MS_MAX);
    return wait;
  }

  /**
   * A thousand boxes were given an op a moment ago: who has nothing to answer (any more) comes back to be held when the others have had
   * their turn, so that the answers which somebody waits for go first. Who has an op to answer waits for nobody.
   */
  #crowdMs(entry: HostEntry, nowMono: number): number {
    return entry.ops === undefined ? waitMs(this.#crowdArrival, nowMono, this.#crowd) : 0;
  }

  #stoppingMs(): number {
    return 1 + this.#hub.world.rng.int(STOPPING_SPREAD_MS);
  }

  /** The end of a held request. */
  released(entry: HostEntry, end: HeldEnd): Response | Promise<Response> {
    const hub = this.#hub;
    const msgpack = entry.heldMsgpack;
    switch (end) {
      case "revoked":
        return this.#refuse(revokedFault());
      case "newer":
      case "waited": {
        const nowMono = hub.world.clock.monoMs();
        if (!shouldTell(entry, newestFor(hub, entry), nowMono) && !hasDueOffer(entry, nowMono))
          return idleReply(entry, hub.fleet.epoch, msgpack, { nextMs: 0, wantOffer: false });
        return this.#tell(entry, msgpack, { nextMs: 0, wantOffer: false }, nowMono);
      }
      case "replaced":
        return idleReply(entry, hub.fleet.epoch, msgpack, { nextMs: 0, wantOffer: false });
      case "stopping":
        return idleReply(entry, hub.fleet.epoch, msgpack, { nextMs: this.#stoppingMs(), wantOffer: false });
    }
  }

  #refuseStranger(request: Request, peer: Peer): Response {
    const wait = this.#guard.countRefusal(this.#guard.addressOf(request, peer));
    if (wait > 0)
      return this.#refuse(new Fault("rate_limited", "Cannot answer: too many requests without a valid credential", { facts: { retry_after_ms: wait } }));
    return this.#refuse(new Fault("unauthenticated", "Cannot sync: this is no credential of a host", { remedy: "Enroll this box again: felhom enroll" }));
  }

  #refuse(fault: Fault): Response {
    this.counts.refused += 1;
    return faultReply(fault);
  }

  #failed(error: unknown): Response {
    if (isFault(error) && error.status < 500) return this.#refuse(error);
    this.#hub.world.log.event("error", "http.failed", { route: "/agent/v1/sync" }, error);
    return faultReply(isFault(error) ? error : new Fault("internal", "Cannot answer this sync: an internal error"));
  }
}

function noteHave(entry: HostEntry, message: SyncRequest): void {
  const { have } = message;
  entry.haveRoot = have.root;
  entry.haveCert = have.cert;
  entry.haveBundle = have.bundle;
  entry.haveSpec = have.spec;
  if (entry.agentVersion !== message.agent_version) entry.agentVersion = message.agent_version;
}

/** The box has used it, so it has it: nobody needs to fetch it again, and what it replaced ends. */
async function confirm(hub: Hub, sha256: string, credential: Credential): Promise<void> {
  const { entry } = credential;
  const nowMs = hub.world.clock.wallMs();
  await hub.store.write("sync.confirm", (tx) => {
    confirmHostCredential(tx.db, sha256, entry.hostId, nowMs);
    forgetSealedCredential(tx.db, sha256, entry.hostId);
  });
  hub.hosts.confirmCredential(sha256, credential);
}

/** After a restore the box may have met a newer spec than this hub remembers; the number is taken over so that the next edit counts. */
async function adoptSpec(hub: Hub, entry: HostEntry, boxHas: number): Promise<void> {
  const adopted = adoptGeneration(boxHas, entry.specGeneration);
  const nowMs = hub.world.clock.wallMs();
  if (adopted === undefined || nowMs - entry.adoptedAtMs < ADOPT_AGAIN_MS) return;
  entry.adoptedAtMs = nowMs;
  await hub.store.write("sync.adopt-spec", (tx) => {
    const host = findHost(tx.db, entry.hostId);
    if (host === undefined || host.spec_generation >= adopted) return;
    const spec: Record<string, unknown> = JSON.parse(host.spec);
    const isSet = replaceSpec(tx.db, host.host_id, host.spec_generation, { generation: adopted, spec: JSON.stringify({ ...spec, generation: adopted }) });
    if (!isSet) return;
    appendEvent(tx.db, {
      at: nowMs,
      kind: "hub.restored",
      host: { hostId: host.host_id, name: host.name },
      data: { what: "spec", generation: adopted, generation_before: host.spec_generation },
    });
    tx.afterCommit(() => hub.hosts.specEdited(host.host_id, adopted));
  });
}
