/**
 * What really happened, kept outside of every simulated machine: what operators signed, what the hub acknowledged to whom, who
 * was in contact when. The checkers compare the machines with this, never the machines with themselves.
 */
import type { Envelope } from "../../protocol/fields.ts";
import type { BundlePayload, RootPayload } from "../../trust/payloads.ts";
import { OpsTruth } from "./ops-truth.ts";

export interface SignedBundle {
  readonly payload: BundlePayload;
  readonly envelope: Envelope;
  /** What `/etc/motd` says under it. */
  readonly motd: string;
  /** Whether `/etc/extra` is there under it. */
  readonly extra: boolean;
}

export interface SignedCert {
  readonly serial: number;
  readonly envelope: Envelope;
  readonly signingKey: string;
  readonly boxKey: string;
}

export class Truth {
  readonly roots: { readonly payload: RootPayload; readonly envelope: Envelope }[] = [];
  readonly bundles = new Map<number, SignedBundle>();
  /** By host id, in order of serial. */
  readonly certs = new Map<string, SignedCert[]>();
  /** Highest version that the hub confirmed to the operator. */
  readonly acked = { root: 0, bundle: 0 };
  /** Highest spec generation that the hub confirmed, by host id. */
  readonly ackedSpecs = new Map<string, number>();
  /** Highest outbox sequence that the hub acknowledged, by host id and the database it was counted in. */
  readonly ackedSeqs = new Map<string, { readonly database: number; readonly seq: number }>();
  /** When a host's last sync reached the hub, and when the last one did that was answered, on virtual time, by host id. */
  readonly heard = new Map<string, { readonly arrivedMs: number; readonly answeredMs: number }>();
  /** Hosts that the hub, rightly or out of caution, took for put back to an older copy: it then takes their rows anew. */
  readonly rolledBack = new Set<string>();
  /** The hub was put back to an old backup: what it acknowledged before may be gone until boxes and operator bring it again. */
  hubRestores = 0;
  readonly ops = new OpsTruth();

  get newestBundle(): SignedBundle | undefined {
    return this.bundles.get(Math.max(0, ...this.bundles.keys()));
  }

  get newestRoot(): number {
    return this.roots.length;
  }
}
