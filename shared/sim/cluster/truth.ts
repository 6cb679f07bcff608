/**
 * What really happened, kept outside of every simulated machine: what operators signed, what the hub acknowledged to whom, who
 * was in contact when. The checkers compare the machines with this, never the machines with themselves.
 */
import type { Envelope } from "../../protocol/fields.ts";
import type { BundlePayload, RootPayload } from "../../trust/payloads.ts";

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
  /** Highest outbox sequence that the hub acknowledged and the box heard of, by host id. */
  readonly ackedSeqs = new Map<string, number>();
  /** When the hub last took in a sync of a host, on virtual time, by host id; and how many are open now. */
  readonly heard = new Map<string, { atMs: number; open: number }>();
  /** Keys that boxes showed when they were first seen, by host id. */
  readonly keys = new Map<string, { readonly signingKey: string; readonly boxKey: string }>();
  /** The hub was put back to an old backup: what it acknowledged before may be gone until boxes and operator bring it again. */
  hubRestores = 0;

  get newestBundle(): SignedBundle | undefined {
    return this.bundles.get(Math.max(0, ...this.bundles.keys()));
  }

  get newestRoot(): number {
    return this.roots.length;
  }
}
