import type { ResourceType, WantedOf } from "./resources/registry.ts";

/** What every resource has, whatever its type. */
export interface ResourceFrame {
  /** `type/name`: `file//etc/motd`, `service/nginx`. Unique among a host's resources; at most 256 characters. */
  readonly id: string;
  /** The path or the name that identifies the thing on the box. */
  readonly name: string;
  /** Ids that must have succeeded before this one is touched. */
  readonly require: readonly string[];
  /** Ids that must have succeeded before, and whose change triggers this one. An unanswered trigger stays pending until this one succeeds. */
  readonly watch: readonly string[];
  /** What a failure of this one does to the rest: `continue` skips its dependents only, `stop` skips all that comes later. */
  readonly onFail: "continue" | "stop";
  /** It was made from a secret: no diff and no value of it is ever shown. */
  readonly sensitive: boolean;
  /** Where it was declared: `states/web.yaml:12`. For people. */
  readonly from: string;
}

type ResourceByType = { readonly [T in ResourceType]: ResourceFrame & { readonly type: T; readonly params: WantedOf<T> } };

/** One thing of a box as it is wanted. A list of these, in order, is what rendering gives and converging takes. */
export type Resource<T extends ResourceType = ResourceType> = ResourceByType[T];

export const RESOURCES_MAX = 10_000;
