/**
 * Drives core/enroll: performs each effect, writes each new state to disk before the next step, and tells what happens. Used by
 * `felhom enroll`; safe to kill at any point and to run again.
 */
import * as z from "zod/mini";
import { base64url, hex, utf8 } from "../../../shared/core/bytes.ts";
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { NAME } from "../../../shared/core/ids.ts";
import { removeStaleTemps } from "../../../shared/edge/durable-write.ts";
import { challengeReply, type EnrollStatement, type EnrollState, enrollAccepted, enrollState } from "../../../shared/protocol/enroll.ts";
import { PROTOCOL } from "../../../shared/protocol/version.ts";
import type { World } from "../../../shared/ports/world.ts";
import { enrollmentWords } from "../../../shared/trust/words.ts";
import { grantIdOf } from "../../../shared/trust/grant-id.ts";
import { decodeJoinCode, type JoinCode } from "../../../shared/trust/join-code.ts";
import { hostIdOf, sign, signingKeyFromSeed, spellKey } from "../../../shared/trust/keys.ts";
import { mustVerify } from "../../../shared/trust/must-verify.ts";
import { admissionPayload } from "../../../shared/trust/payloads.ts";
import { signPayload } from "../../../shared/trust/sign-payload.ts";
import { REFUSALS } from "../../../shared/trust/verdict.ts";
import { paths } from "../../core/desired/paths.ts";
import { type EnrollEffect, type EnrollEvent, type Enrollment, isFinal, newEnrollment, resume, turn } from "../../core/enroll/enrollment.ts";
import { type Answer, askHub, assertSafe, type HubRequest } from "../sync/hub-client.ts";
import { prepareDataDir } from "../store/data-dir.ts";
import { keepApproval, verifyApproval } from "./accept-approval.ts";
import { bootFacts, hostname } from "./boot-facts.ts";
import { type EnrollFile, readEnrollFile, writeEnrollFile } from "./enroll-file.ts";
import { ensureIdentity, type Identity } from "./identity.ts";

const REQUEST_TIMEOUT_MS = 20_000;
const REPLY_BYTES_MAX = 64 * 1024 * 1024;
/** Above this a person should look at the clock before anything that was signed is judged by it. */
const SKEW_MS_MAX = 5 * 60_000;
const URLS_MAX = 16;
/** Rounds over all hubs before a caller who does not wait is told that none answers. */
const UNWAITED_ROUNDS_MAX = 3;

export interface EnrollOptions {
  readonly dataDir: string;
  readonly urls: readonly string[] | undefined;
  readonly join: string | undefined;
  readonly name: string | undefined;
  /** Wait for the operator's approval and for a hub to ask, however long it takes. Without it: a few rounds over the hubs, then the answer. */
  readonly wait: boolean;
}

export type EnrollNews =
  | { readonly news: "identity"; readonly hostId: string; readonly isNew: boolean; readonly words: readonly string[] }
  | { readonly news: "reached"; readonly url: string }
  | { readonly news: "skew"; readonly hubMs: number; readonly hereMs: number }
  | { readonly news: "asked"; readonly words: readonly string[]; readonly hasToken: boolean }
  | { readonly news: "waiting"; readonly because: string; readonly ms: number; readonly url: string }
  | { readonly news: "rotated"; readonly url: string; readonly because: string };

export type EnrollOutcome =
  | { readonly is: "enrolled"; readonly hostId: string; readonly name: string; readonly fleetId: string }
  | { readonly is: "pending"; readonly hostId: string; readonly words: readonly string[] }
  | { readonly is: "rejected"; readonly because: string }
  | { readonly is: "failed"; readonly code: string; readonly because: string }
  /** No hub took the question, and nobody wants to wait for one. Asking again goes on from here. */
  | { readonly is: "unreached"; readonly because: string }
  | { readonly is: "stopped" };

export async function runEnrollment(world: World, options: EnrollOptions, tell: (news: EnrollNews) => void, stop: AbortSignal): Promise<EnrollOutcome> {
  const { dataDir } = options;
  prepareDataDir(world.files, world.self, dataDir);
  const lock = world.files.lock("enroll.lock", paths(dataDir).enrollLock);
  try {
    removeStaleTemps(world.files, "enroll.sweep", paths(dataDir).identity);
    const file = startFrom(world, options);
    const join = mustVerify(decodeJoinCode(file.join), "Cannot use this join code", "felhom join-code, on the workstation");
    const { identity, isNew } = ensureIdentity(world, dataDir);
    const words = enrollmentWords(identity.signingKey.publicKey, identity.boxKey.publicKey);
    tell({ news: "identity", hostId: hostIdOf(identity.signingKey.publicKey), isNew, words });
    return await new EnrollRun(world, options, file, { join, identity, words, tell, stop }).run();
  } finally {
    lock.release();
  }
}

/** What was begun goes on when nothing new is said; the same join code goes on with new URLs too. */
function startFrom(world: World, options: EnrollOptions): EnrollFile {
  const known = readEnrollFile(world, options.dataDir);
  const urls = options.urls ?? known?.urls;
  const join = options.join ?? (known?.join === "" ? undefined : known?.join);
  if (known?.state.at === "enrolled" && options.join === undefined)
    throw new Fault("bad_request", "Cannot enroll: this box is enrolled, and no new join code was given", {
      remedy: "felhom status shows as what. To enroll it anew: felhom enroll --join CODE",
    });
  if (urls === undefined || urls.length === 0 || join === undefined) {
    throw new Fault("bad_request", "Cannot enroll: no hub and no join code were given", {
      remedy: "felhom enroll --master-urls https://hub.example --join CODE",
    });
  }
  if (urls.length > URLS_MAX) throw new Fault("bad_request", `Cannot enroll: ${urls.length} URLs are more than ${URLS_MAX}`);
  for (const url of urls) assertUrl(url);
  if (options.name !== undefined && !NAME.test(options.name))
    throw new Fault("bad_request", `Cannot use the name ${options.name}`, {
      remedy: "A name has lower-case letters, digits, dots, dashes and underscores, at most 63, and begins with a letter or a digit.",
    });
  const isSame = known !== undefined && known.join === join && JSON.stringify(known.urls) === JSON.stringify(urls);
  return {
    v: 1,
    urls: [...urls],
    join,
    name: options.name ?? known?.name ?? hostname(world),
    state: isSame ? resume(known.state) : newEnrollment(urls.length),
  };
}

function assertUrl(url: string): void {
  if (!URL.canParse(url)) throw new Fault("bad_request", `Cannot use ${url}: it is not a URL`);
  assertSafe(url);
}

interface EnrollContext {
  readonly join: JoinCode;
  readonly identity: Identity;
  readonly words: readonly string[];
  readonly tell: (news: EnrollNews) => void;
  readonly stop: AbortSignal;
}

class EnrollRun {
  readonly #world: World;
  readonly #options: EnrollOptions;
  readonly #context: EnrollContext;
  #file: EnrollFile;
  #state: Enrollment;
  #approved: Extract<EnrollState, { readonly state: "approved" }> | undefined;
  #outcome: Extract<EnrollOutcome, { readonly is: "enrolled" }> | undefined;
  #reached: string | undefined;
  #hasAsked = false;

  constructor(world: World, options: EnrollOptions, file: EnrollFile, context: EnrollContext) {
    this.#world = world;
    this.#options = options;
    this.#context = context;
    this.#file = file;
    this.#state = file.state;
    // Also the join code must be on disk before it is first used.
    this.#save(file.state);
  }

  async run(): Promise<EnrollOutcome> {
    let event: EnrollEvent = { on: "due" };
    while (!this.#context.stop.aborted) {
      const { state, effects } = turn(this.#state, event, this.#world.rng);
      if (JSON.stringify(state) !== JSON.stringify(this.#state)) this.#save(state);
      if (isFinal(state)) return this.#end(state);
      event = { on: "due" };
      for (const effect of effects) {
        const unwaited = effect.run === "wait" && !this.#options.wait ? this.#unwaited(state, effect.because) : undefined;
        if (unwaited !== undefined) return unwaited;
        event = (await this.#perform(effect)) ?? event;
      }
    }
    return { is: "stopped" };
  }

  /** What a caller who does not wait hears instead of the wait. */
  #unwaited(state: Enrollment, because: string): EnrollOutcome | undefined {
    if (state.at === "pending" && state.failures === 0) return { is: "pending", hostId: this.#hostId(), words: this.#context.words };
    return state.failures >= state.urls * UNWAITED_ROUNDS_MAX ? { is: "unreached", because: `${because} at ${this.#url()}` } : undefined;
  }

  #save(state: Enrollment): void {
    this.#state = state;
    // The join code may hold a token; an enrolled box needs neither any more.
    this.#file = { ...this.#file, state, join: state.at === "enrolled" ? "" : this.#file.join };
    writeEnrollFile(this.#world, this.#options.dataDir, this.#file);
  }

  #end(state: Enrollment): EnrollOutcome {
    switch (state.at) {
      case "rejected":
        return { is: "rejected", because: state.because };
      case "failed":
        return { is: "failed", code: state.code, because: state.because };
      default:
        return this.#outcome ?? { is: "failed", code: "internal", because: "the enrollment ended without an identity" };
    }
  }

  async #perform(effect: EnrollEffect): Promise<EnrollEvent | undefined> {
    const { tell, stop } = this.#context;
    switch (effect.run) {
      case "challenge":
        return this.#ask(() => this.#challenge());
      case "submit":
        return this.#ask(() => this.#submit());
      case "poll":
        return this.#ask(() => this.#poll());
      case "verify":
        return this.#verify();
      case "wait":
        this.#world.log.event("info", "enroll.retry", { because: effect.because, ms: effect.ms, url: this.#url() });
        tell({ news: "waiting", because: effect.because, ms: effect.ms, url: this.#url() });
        await this.#world.clock.sleep(effect.ms, stop);
        return undefined;
      case "rotate":
        this.#world.log.event("info", "enroll.rotated", { because: effect.because, url: this.#url() });
        tell({ news: "rotated", because: effect.because, url: this.#url() });
        return undefined;
    }
  }

  /** Network faults and problems as events; anything else is no matter of the network. */
  async #ask(request: () => Promise<EnrollEvent>): Promise<EnrollEvent> {
    try {
      return await request();
    } catch (error) {
      if (isFault(error) && error.code.startsWith("net_")) return { on: "unreached", code: error.code };
      throw error;
    }
  }

  async #challenge(): Promise<EnrollEvent> {
    const answer = await this.#hub({ op: "enroll.challenge", method: "POST", path: "/enroll/v1/challenges", schema: challengeReply });
    if (answer.is === "problem") return asEvent(answer);
    const hereMs = this.#world.clock.wallMs();
    if (Math.abs(hereMs - answer.value.hub_time) > SKEW_MS_MAX) this.#context.tell({ news: "skew", hubMs: answer.value.hub_time, hereMs });
    return { on: "challenged", challengeId: answer.value.challenge_id, nonce: answer.value.nonce };
  }

  async #submit(): Promise<EnrollEvent> {
    const state = this.#state;
    if (state.at !== "submitting") return { on: "due" };
    const statement = JSON.stringify(await this.#statement(state.challengeId, state.nonce));
    const signature = base64url(sign(this.#context.identity.signingKey, utf8(statement)));
    const admission = this.#admission();
    const body = { v: 1, statement, signature, ...(admission === undefined ? {} : { admission }) };
    const answer = await this.#hub({ op: "enroll.submit", method: "POST", path: "/enroll/v1/requests", body, schema: enrollAccepted });
    if (answer.is === "problem") return asEvent(answer);
    const wrong = this.#wrongWords(answer.value.words);
    if (wrong !== undefined) return wrong;
    return { on: "accepted", requestId: answer.value.request_id, pollMs: answer.value.poll_ms };
  }

  async #statement(challengeId: string, nonce: string): Promise<EnrollStatement> {
    const { identity } = this.#context;
    return {
      v: 1,
      purpose: "felhom enroll",
      challenge_id: challengeId,
      nonce,
      name: this.#file.name,
      signing_key: spellKey(identity.signingKey.publicKey),
      box_key: spellKey(identity.boxKey.publicKey),
      protocol: PROTOCOL,
      agent_version: this.#world.self.version,
      facts: { ...(await bootFacts(this.#world)) },
      signed_at: this.#world.clock.wallMs(),
    };
  }

  /** With a token in the join code the box admits itself: the grant's key signs this box's keys, here and nowhere else. */
  #admission(): ReturnType<typeof signPayload> | undefined {
    const { join, identity } = this.#context;
    if (join.token === undefined) return undefined;
    const token = signingKeyFromSeed(join.token);
    return signPayload(
      "admission",
      admissionPayload,
      {
        v: 1,
        fleet_id: join.fleetId,
        grant_id: grantIdOf(token.publicKey),
        host_id: hostIdOf(identity.signingKey.publicKey),
        name: this.#file.name,
        signing_key: spellKey(identity.signingKey.publicKey),
        box_key: spellKey(identity.boxKey.publicKey),
        created_at: this.#world.clock.wallMs(),
      },
      [token],
    );
  }

  async #poll(): Promise<EnrollEvent> {
    const state = this.#state;
    if (state.at !== "pending") return { on: "due" };
    if (!this.#hasAsked) {
      this.#hasAsked = true;
      this.#context.tell({ news: "asked", words: this.#context.words, hasToken: this.#context.join.token !== undefined });
    }
    const signedAt = this.#world.clock.wallMs();
    const signature = base64url(sign(this.#context.identity.signingKey, utf8(`felhom enroll poll\n${state.requestId}\n${signedAt}`)));
    const headers = { "felhom-signed-at": String(signedAt), "felhom-signature": signature };
    const answer = await this.#hub({ op: "enroll.poll", method: "GET", path: `/enroll/v1/requests/${state.requestId}`, headers, schema: enrollState });
    if (answer.is === "problem") return asEvent(answer);
    switch (answer.value.state) {
      case "pending":
        return this.#wrongWords(answer.value.words) ?? { on: "pending", pollMs: answer.value.poll_ms };
      case "approved":
        this.#approved = answer.value;
        return { on: "approved" };
      case "rejected":
        return { on: "rejected", because: answer.value.reason ?? "the operator said no" };
      case "revoked":
        return { on: "rejected", because: "this host was revoked: the operator has to allow it again" };
    }
  }

  /** The hub shows other words than this box: the keys it holds are not the ones that were sent. */
  #wrongWords(words: readonly string[]): EnrollEvent | undefined {
    if (words.join(" ") === this.#context.words.join(" ")) return undefined;
    return { on: "unverified", code: "key_mismatch", because: `The hub shows other words for this box (${words.join("-")}): somebody may stand in between` };
  }

  async #verify(): Promise<EnrollEvent> {
    const { join, identity } = this.#context;
    const approved = this.#approved;
    if (approved === undefined) return { on: "answered", status: 404, code: "not_found", because: "the approval was not read", retryAfterMs: undefined };
    const verdict = await verifyApproval(approved, join, identity);
    if (!verdict.ok) return { on: "unverified", code: verdict.refusal, because: `${REFUSALS[verdict.refusal]} ${verdict.detail}`.trim() };
    keepApproval(this.#world, this.#options.dataDir, verdict.value, { approved, join, urls: this.#file.urls });
    const { hostId, name, fleetId } = verdict.value.identity;
    this.#outcome = { is: "enrolled", hostId, name, fleetId };
    this.#world.log.event("info", "enroll.approved", { host: hostId, key: hex(identity.signingKey.publicKey).slice(0, 16) });
    return { on: "verified" };
  }

  async #hub<T>({
    schema,
    ...request
  }: Pick<HubRequest<T>, "op" | "method" | "path"> & { readonly schema: z.ZodMiniType<T> } & Partial<Pick<HubRequest<T>, "body" | "headers">>): Promise<
    Answer<T>
  > {
    const url = this.#url();
    const answer = await askHub(this.#world, {
      ...request,
      decode: (value) => decode(schema, value),
      url,
      pins: this.#context.join.pins,
      timeoutMs: REQUEST_TIMEOUT_MS,
      replyBytesMax: REPLY_BYTES_MAX,
      stop: this.#context.stop,
    });
    if (this.#reached !== url) {
      this.#reached = url;
      this.#context.tell({ news: "reached", url });
    }
    return answer;
  }

  #url(): string {
    return this.#file.urls[this.#state.urlAt % this.#file.urls.length] ?? "";
  }

  #hostId(): string {
    return hostIdOf(this.#context.identity.signingKey.publicKey);
  }
}

function decode<T>(schema: z.ZodMiniType<T>, value: unknown): T | undefined {
  const parsed = z.safeParse(schema, value);
  return parsed.success ? parsed.data : undefined;
}

function asEvent({ status, code, detail, retryAfterMs }: Extract<Answer<never>, { readonly is: "problem" }>): EnrollEvent {
  return { on: "answered", status, code, because: detail, retryAfterMs };
}
