/**
 * What really happened to ops, kept outside of every machine: what the operator signed, and each effect at the instant it began. A box
 * that forgets, or a hub that lies, changes nothing here.
 */
import type { Envelope } from "../../protocol/fields.ts";
import type { OpPayload } from "../../trust/payloads.ts";

export interface SignedOp {
  readonly payload: OpPayload;
  readonly sha256: string;
  readonly envelope: Envelope;
  /** What the program is told to count under; undefined for an op that counts nothing. */
  readonly label: string | undefined;
}

export interface Effect {
  readonly machine: string;
  readonly label: string;
  times: number;
}

export class OpsTruth {
  readonly signed = new Map<string, SignedOp>();
  readonly byLabel = new Map<string, SignedOp>();
  /** Confirmed by the hub: from here on they must end. */
  readonly accepted = new Set<string>();
  readonly effects = new Map<string, Effect>();
  /** Of effects that began: newest last, until a checker looked. */
  readonly fresh: Effect[] = [];

  sign(op: SignedOp): void {
    this.signed.set(op.payload.id, op);
    if (op.label !== undefined) this.byLabel.set(op.label, op);
  }

  began(machine: string, label: string): void {
    const key = `${machine} ${label}`;
    const effect = this.effects.get(key) ?? { machine, label, times: 0 };
    effect.times += 1;
    this.effects.set(key, effect);
    this.fresh.push(effect);
  }

  times(machine: string, label: string): number {
    return this.effects.get(`${machine} ${label}`)?.times ?? 0;
  }
}
