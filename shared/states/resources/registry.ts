import { command } from "./command.ts";
import { cron } from "./cron.ts";
import { directory } from "./directory.ts";
import { file } from "./file.ts";
import { group } from "./group.ts";
import type { Kind } from "./kind.ts";
import { line } from "./line.ts";
import { packageKind } from "./package.ts";
import { service } from "./service.ts";
import { symlink } from "./symlink.ts";
import { user } from "./user.ts";

/** Every resource type: one line each. Schemas, reference page, JSON Schema and providers follow from it. */
const kinds = { file, directory, symlink, line, command, package: packageKind, service, user, group, cron };

type Kinds = typeof kinds;
export type ResourceType = keyof Kinds;
type KindParts<K> = K extends Kind<infer _Schema, infer Wanted, infer Observed, infer Step> ? { wanted: Wanted; observed: Observed; step: Step } : never;

export type WantedOf<T extends ResourceType> = KindParts<Kinds[T]>["wanted"];
export type ObservedOf<T extends ResourceType> = KindParts<Kinds[T]>["observed"];
export type StepOf<T extends ResourceType> = KindParts<Kinds[T]>["step"];
export type Step = StepOf<ResourceType>;

/** What a generic caller (`<T extends ResourceType>`) sees of a kind. */
export interface KindOf<T extends ResourceType> {
  readonly type: string;
  readonly summary: string;
  readonly namedBy: "path" | "name";
  readonly example: string;
  readonly schema: Kinds[T]["schema"];
  readonly quick?: (params: Readonly<Record<string, unknown>>) => object | undefined;
  readonly decide: (wanted: WantedOf<T>, observed: ObservedOf<T>, triggered: boolean) => readonly StepOf<T>[];
}

export const KINDS: { readonly [T in ResourceType]: KindOf<T> } = kinds;
export const RESOURCE_TYPES: readonly ResourceType[] = ["file", "directory", "symlink", "line", "command", "package", "service", "user", "group", "cron"];
export const isResourceType = (text: string): text is ResourceType => Object.hasOwn(kinds, text);
