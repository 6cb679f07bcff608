/**
 * The operator's ops: signs them at once or drafts them first, aims at one host or at all, paces, cancels, lets some expire, and lets a
 * box take ops again after its ledger was lost. A call that fails is made again in a later round, with the same bytes.
 */
import { isFault } from "../../core/fault.ts";
import type { FleetId } from "../../core/ids.ts";
import { newOp } from "../../ops/new-op.ts";
import type { Rng } from "../../ports/rng.ts";
import type { World } from "../../ports/world.ts";
import { addOpSignature, cancelOp, draftOp, uploadOp } from "../../../operator/edge/hub-ops.ts";
import type { HubConnection } from "../../../operator/edge/hub-connection.ts";
import { signEnvelope } from "../../trust/envelope.ts";
import type { SigningKey } from "../../trust/keys.ts";
import type { OpTarget } from "../../trust/payloads.ts";
import { COUNT } from "./counting-program.ts";
import type { OpsTruth, SignedOp } from "./ops-truth.ts";

const MINUTE_MS = 60_000;
const RECENT_MAX = 8;
/** Uploads of one round: a person would not do more either. */
const UPLOADS_PER_ROUND = 512;

export interface Incident {
  readonly hostId: string;
  readonly incident: string;
}

export class OpsDesk {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #truth: OpsTruth;
  readonly #fleetId: FleetId;
  readonly #key: SigningKey;
  #pending: SignedOp[] = [];
  readonly #recent: string[] = [];
  readonly #recovering = new Map<string, { readonly incident: string; readonly untilMs: number }>();

  constructor(options: { readonly world: World; readonly rng: Rng; readonly truth: OpsTruth; readonly fleetId: FleetId; readonly key: SigningKey }) {
    this.#world = options.world;
    this.#rng = options.rng;
    this.#truth = options.truth;
    this.#fleetId = options.fleetId;
    this.#key = options.key;
  }

  /** Signs `count` new ops; they reach the hub in `round`. */
  sign(count: number, hosts: readonly string[]): void {
    for (let at = 0; at < count && hosts.length > 0; at += 1) {
      const hostId = hosts[this.#rng.int(hosts.length)] ?? "";
      const target = this.#rng.int(3) === 0 ? ({ expr: "true" } as const) : ({ expr: `host.id in ["${hostId}"]` } as const);
      if (this.#rng.int(8) === 0) this.#make("ping", {}, target, undefined);
      else {
        const label = `c-${this.#truth.signed.size}`;
        // Most end at once; some are still there when something breaks.
        const ms = this.#rng.int(6) === 0 ? this.#rng.int(2 * MINUTE_MS) : this.#rng.int(200);
        this.#make("cmd.run", { argv: [COUNT, label, String(ms)], timeout_s: this.#rng.int(10) === 0 ? 30 : 300 }, target, label);
      }
    }
  }

  /** For boxes whose record of ops was lost: until then they refuse. */
  recover(incidents: readonly Incident[]): void {
    const nowMs = this.#world.clock.wallMs();
    for (const { hostId, incident } of incidents) {
      const known = this.#recovering.get(hostId);
      if (known?.incident === incident && nowMs < known.untilMs) continue;
      this.#recovering.set(hostId, { incident, untilMs: nowMs + 20 * MINUTE_MS });
      this.#make("agent.recover-ledger", { incident }, { expr: `host.id in ["${hostId}"]` }, undefined);
    }
  }

  async round(hub: HubConnection): Promise<void> {
    const nowMs = this.#world.clock.wallMs();
    this.#pending = this.#pending.filter(({ payload }) => nowMs < payload.expires_at);
    for (const op of this.#pending.slice(0, UPLOADS_PER_ROUND)) {
      await this.#send(hub, op);
      this.#pending = this.#pending.filter((other) => other !== op);
    }
    const recent = this.#recent[this.#rng.int(RECENT_MAX * 2)];
    if (recent !== undefined) await cancelOp(hub, recent).catch(ignoreRefusal);
  }

  async #send(hub: HubConnection, { payload, envelope }: SignedOp): Promise<void> {
    try {
      const [signature] = envelope.signatures;
      if (this.#rng.int(4) === 0 && signature !== undefined && payload.kind === "cmd.run") {
        await draftOp(hub, { payload: envelope.payload });
        await addOpSignature(hub, payload.id, signature);
      } else {
        await uploadOp(hub, envelope, this.#rng.int(4) === 0 ? { batch: 1 + this.#rng.int(3), pause_s: this.#rng.int(60) } : undefined);
      }
      this.#truth.accepted.add(payload.id);
      this.#recent.unshift(payload.id);
      this.#recent.length = Math.min(this.#recent.length, RECENT_MAX);
    } catch (error) {
      ignoreRefusal(error);
    }
  }

  #make(kind: string, params: Readonly<Record<string, unknown>>, target: OpTarget, label: string | undefined): void {
    // Some are over before a box that is off comes back.
    const lifetimeMs = (this.#rng.int(3) === 0 ? 1 + this.#rng.int(10) : 30 + this.#rng.int(60)) * MINUTE_MS;
    const made = newOp({ fleetId: this.#fleetId, kind, target, params, issuedAt: this.#world.clock.wallMs(), lifetimeMs }, this.#world.crypto);
    if (!made.ok) throw new Error(`the operator made an op that nobody would take: ${made.refusal}`);
    const { payload, bytes, sha256 } = made.value;
    const op = { payload, sha256, envelope: signEnvelope("op", bytes, [this.#key]), label };
    this.#truth.sign(op);
    this.#pending.push(op);
  }
}

/** Already over, expired on the way, too many at once: the hub may say no, and then nothing is owed. */
function ignoreRefusal(error: unknown): void {
  if (!isFault(error) || !["conflict", "refused", "not_found", "invalid"].includes(error.code)) throw error;
}
