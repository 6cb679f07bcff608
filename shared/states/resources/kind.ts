import type * as z from "zod/mini";

/**
 * A resource type as data. `schema` is what an operator may write, `decide` is what has to be done about it. `decide` is
 * pure and total: it never looks at the world, and what it cannot put right it says with a `refuse` step.
 *
 * Type parameters: what is written (`Params`, the schema's output), what is wanted after rendering (`Wanted`: a template
 * became content, a purge knows what is managed), what a provider observes, and the steps that an executor carries out.
 */
export interface Kind<Schema extends z.ZodMiniType, Wanted, Observed, Step extends AnyStep> {
  readonly type: string;
  /** One sentence for the reference page. */
  readonly summary: string;
  /** The parameter that names the thing; it defaults to the entry's key, and `type/<that>` is the resource's id. */
  readonly namedBy: "path" | "name";
  readonly schema: Schema;
  /**
   * For a type that comes in thousands: what the schema would give for the commonest params, many times faster; `undefined`
   * for anything else, and the schema decides. It never takes what the schema refuses (a test compares them).
   */
  readonly quick?: (params: Readonly<Record<string, unknown>>) => z.infer<Schema> | undefined;
  /** A working example in YAML: one entry. The reference page shows it and a test renders it. */
  readonly example: string;
  /** `triggered`: a resource that this one watches was changed and this one has not acted on it yet. */
  readonly decide: (wanted: Wanted, observed: Observed, triggered: boolean) => readonly Step[];
}

/** Every step says what is done and, for a person, why: "mode is 0600, 0644 is wanted". A reason never holds content or a secret. */
export interface AnyStep {
  readonly do: string;
  readonly reason: string;
}

/** The resource cannot be brought to what is wanted without a person: it fails with this reason and nothing is touched. */
export interface Refuse {
  readonly do: "refuse";
  readonly reason: string;
}

export const refuseStep = (reason: string): Refuse => ({ do: "refuse", reason });
