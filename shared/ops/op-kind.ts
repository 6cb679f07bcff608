import type * as z from "zod/mini";

/**
 * A kind of op as data: what may be asked for, how dangerous it is, and what a signer reads. The table of kinds is compiled into
 * every agent, so a hub cannot make one harmless; a host's own policy may only make one stricter. What carries a kind out is the
 * agent's (`agent/edge/ops/executors`), never here: this file and its neighbours are read on workstations too.
 */
export type OpClass = "read" | "change" | "destroy";
export const OP_CLASSES: readonly OpClass[] = ["read", "change", "destroy"];

/** The role of the root whose keys and threshold a class asks for. A signed read counts with the keys that may operate. */
export const ROLE_OF_CLASS = { read: "operate", change: "operate", destroy: "destroy" } as const satisfies Record<OpClass, "operate" | "destroy">;

/**
 * For a host that is away: `hold` until the op expires, `drop` it at once, or let a newer op of the same kind and the same
 * target `replace` it. The courier's pacing only: a box judges what it gets by the signed times alone.
 */
export type OfflineRule = "hold" | "drop" | "replace";

/** Given as `z.infer` of the kind's own schema. */
export interface OpKind<Params> {
  readonly kind: string;
  readonly class: OpClass;
  /** One sentence for the reference page and for `felhom run --help`. */
  readonly summary: string;
  /** `guest` kinds take a target with a guest id and no other kind does. */
  readonly aims: "host" | "guest";
  /** Strict and bounded. */
  readonly schema: z.ZodMiniType<Params>;
  /**
   * What a signer reads: one string per line, everything that the params say, nothing that they don't. Pure. The lines hold
   * untrusted text: whoever prints them escapes them.
   */
  readonly describe: (params: Params) => readonly string[];
  readonly offline: OfflineRule;
  /** Runs alone. Others may run beside each other, and beside an exclusive one. */
  readonly exclusive: boolean;
  /** Doing it twice is doing it once: it may run again after a crash. All others end as `interrupted`. */
  readonly idempotent: boolean;
  readonly timeoutMs: (params: Params) => number;
  /** Runs without a signature, where the host's policy does not say otherwise. Only ever a `read`. */
  readonly unsignedByDefault: boolean;
  /** Params that the schema takes, as JSON in the reference page. */
  readonly example: Readonly<Record<string, unknown>>;
}

/** Keeps the schema's own type, so that an executor sees its params and not `unknown`. */
export const opKind = <Schema extends z.ZodMiniType>(
  kind: OpKind<z.infer<Schema>> & { readonly schema: Schema },
): OpKind<z.infer<Schema>> & { readonly schema: Schema } => kind;

export const SECOND_MS = 1_000;
export const MINUTE_MS = 60_000;
export const HOUR_MS = 3_600_000;
