import type { Fault } from "../../../shared/core/fault.ts";
import type { World } from "../../../shared/ports/world.ts";
import type { AnyStep } from "../../../shared/states/resources/kind.ts";
import type { Accounts } from "./accounts.ts";
import type { ParentDirs } from "./parent-dirs.ts";
import type { Stages } from "./stages.ts";

/**
 * What a provider works with in one run. `parents` is renewed by the executor after each step that may move directories;
 * `accounts` is told to forget by the providers that change them.
 */
export interface ProviderContext {
  readonly world: World;
  readonly parents: ParentDirs;
  readonly accounts: Accounts;
  /** The verified fleet tree that `source` names files of. */
  readonly treeDir: string;
  readonly stages: Stages;
}

/** What was seen, or why nothing could be seen. An error is never an absence. */
export type Observation<Observed> = { readonly ok: true; readonly observed: Observed } | { readonly ok: false; readonly fault: Fault };

/**
 * Looks and acts for one resource type on one kind of system. It makes no choices: `decide` (shared/states/resources) did.
 * `observe` gets all resources of its type at once, so that the system is asked one question for all where it can be, and
 * answers in the same order. It changes nothing. `apply` is idempotent, or refuses when the world moved since it was observed.
 */
export interface Provider<Wanted, Observed, Step extends AnyStep> {
  readonly type: string;
  /** Why this one serves here, for the log. */
  readonly because: string;
  observe(context: ProviderContext, wanted: readonly Wanted[]): Promise<readonly Observation<Observed>[]>;
  apply(context: ProviderContext, step: Step): Promise<void>;
  /** Steps that the system likes in one go (one apt transaction, one daemon-reload). Absent: one at a time. */
  applyTogether?(context: ProviderContext, steps: readonly Step[]): Promise<void>;
}
