/**
 * Sits between boxes and hub. It always watches (what the hub acknowledged, who was heard when), and when told to it is hostile: it
 * holds the hub's TLS key, so it can answer anything, but no key that an operator signs with.
 */
import { base64, utf8 } from "../../core/bytes.ts";
import { sha256 } from "../../core/sha256.ts";
import type { Rng } from "../../ports/rng.ts";
import { signingKeyFromSeed } from "../../trust/keys.ts";
import { payloadType } from "../../trust/payloads.ts";
import { signEnvelope } from "../../trust/envelope.ts";
import { HOSTILE_MARK } from "../checkers/nothing-hostile.ts";
import type { Scheduler } from "../scheduler.ts";
import type { Tamper } from "../sim-net.ts";
import { lieAboutOps } from "./lie-about-ops.ts";
import type { Truth } from "./truth.ts";

const SYNC = "/agent/v1/sync";
const KEPT_MAX = 200;

interface SyncBody {
  acked_seq?: number;
  [name: string]: unknown;
}

export class Middleman {
  /** Share of answers that are tampered with; 0 is an honest network. */
  hostility = 0;
  tampered = 0;
  readonly #scheduler: Scheduler;
  readonly #rng: Rng;
  readonly #truth: Truth;
  /** Whole old answers, to be given again to anybody. */
  readonly #kept: string[] = [];
  /** Highest number that was in a request, by host id. */
  readonly #sent = new Map<string, { readonly database: number; readonly seq: number }>();

  readonly #databaseOf: (machine: string) => number | undefined;

  constructor(scheduler: Scheduler, rng: Rng, truth: Truth, databaseOf: (machine: string) => number | undefined) {
    this.#databaseOf = databaseOf;
    this.#scheduler = scheduler;
    this.#rng = rng;
    this.#truth = truth;
  }

  readonly tamper: Tamper = async (from, _to, request, answer) => {
    const isSync = new URL(request.url).pathname === SYNC;
    if (isSync) return this.#sync(from, request, answer);
    const response = await answer();
    return this.hostility > 0 && from.startsWith("box") && this.#rng.next() < this.hostility ? this.#garble(response) : response;
  };

  async #sync(from: string, request: Request, answer: () => Promise<Response>): Promise<Response> {
    const atMs = this.#scheduler.nowMs;
    const { host_id: hostId, outbox } = (await request.json()) as { host_id: string; outbox: readonly { seq: number }[] };
    const database = this.#databaseOf(from);
    const known = this.#sent.get(hostId);
    const sent = Math.max(known?.database === database ? (known?.seq ?? 0) : 0, outbox.at(-1)?.seq ?? 0);
    if (database !== undefined) this.#sent.set(hostId, { database, seq: sent });
    const heard = (): { arrivedMs: number; answeredMs: number } => this.#truth.heard.get(hostId) ?? { arrivedMs: 0, answeredMs: 0 };
    this.#truth.heard.set(hostId, { ...heard(), arrivedMs: atMs });
    const response = await answer();
    if (response.status !== 200) return response;
    this.#truth.heard.set(hostId, { ...heard(), answeredMs: Math.max(heard().answeredMs, atMs) });
    const text = await response.text();
    const body = JSON.parse(text) as SyncBody;
    // Numbers begin anew in a new database; an answer that was under way when the old one was lost says nothing of it.
    const acked = this.#truth.ackedSeqs.get(hostId);
    const isOfThisDatabase = database !== undefined && database === this.#databaseOf(from);
    const seq = Math.min(body.acked_seq ?? 0, sent); // a number that was never sent acknowledges nothing
    if (isOfThisDatabase && (acked?.database !== database || seq > acked.seq)) this.#truth.ackedSeqs.set(hostId, { database, seq });
    if (this.#kept.length < KEPT_MAX) this.#kept.push(text);
    const headers = { "content-type": "application/json" };
    if (this.hostility === 0 || this.#rng.next() >= this.hostility) return new Response(text, { headers });
    this.tampered += 1;
    return new Response(this.#lie(body), { headers });
  }

  /** A well-formed answer that is not the hub's. It never lies about `acked_seq` upwards: losing reports is in a thief's power. */
  #lie(body: SyncBody): string {
    const newest = this.#truth.newestBundle?.payload.version ?? 0;
    const bundle = {
      v: 1,
      fleet_id: "f-simulatedfleetaa",
      version: newest + 1,
      created_at: 1,
      expires_at: 7_000_000_000_000,
      message: HOSTILE_MARK,
      files: [],
      secrets: {},
    };
    const lie = lieAboutOps(this.#rng, this.#truth.ops, thiefKey());
    if (lie !== undefined && this.#rng.int(2) === 0) return JSON.stringify({ ...body, ...lie });
    switch (this.#rng.int(6)) {
      case 0: // signed by a key of its own
        return JSON.stringify({ ...body, bundle: signEnvelope("bundle", utf8(JSON.stringify(bundle)), [thiefKey()]) });
      case 1: // a real signature under other bytes
        return JSON.stringify({
          ...body,
          bundle: { ...this.#truth.newestBundle?.envelope, payloadType: payloadType("bundle"), payload: base64(utf8(JSON.stringify(bundle))) },
        });
      case 2: // an older bundle, really signed
        return JSON.stringify({ ...body, bundle: this.#truth.bundles.get(1 + this.#rng.int(Math.max(1, newest)))?.envelope });
      case 3: // a root of its own
        return JSON.stringify({
          ...body,
          roots: [
            signEnvelope(
              "root",
              utf8(JSON.stringify({ ...this.#truth.roots.at(-1)?.payload, version: this.#truth.newestRoot + 1, fleet_name: HOSTILE_MARK.toLowerCase() })),
              [thiefKey()],
            ),
          ],
        });
      case 4: // somebody else's answer, or an old one
        return withAcked(this.#kept[this.#rng.int(Math.max(1, this.#kept.length))] ?? "{}", body.acked_seq ?? 0);
      default: // another host's spec, with a generation far ahead
        return JSON.stringify({ ...body, spec: { v: 1, host_id: "h-aaaaaaaaaaaaaaaa", generation: 999_999, mode: "monitor" } });
    }
  }

  async #garble(response: Response): Promise<Response> {
    this.tampered += 1;
    const bytes = new Uint8Array(await response.arrayBuffer());
    const at = this.#rng.int(Math.max(1, bytes.byteLength));
    const byte = bytes[at];
    if (byte !== undefined) bytes[at] = byte ^ (1 << this.#rng.int(8));
    return new Response(bytes, { status: response.status, headers: response.headers });
  }
}

function withAcked(text: string, acked_seq: number): string {
  return JSON.stringify({ ...(JSON.parse(text) as SyncBody), acked_seq });
}

const thiefKey = () => signingKeyFromSeed(sha256(utf8("a thief's own key")));
