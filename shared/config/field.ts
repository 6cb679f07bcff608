import type * as z from "zod/mini";

/**
 * A setting: one zod schema, its default, and a sentence. From a table of these come the YAML keys (`syncWaitMs` → `sync_wait_ms`),
 * the flags (`--sync-wait-ms`), the variables (`FELHOM_SYNC_WAIT_MS`), `config print`, and the reference page.
 */
export interface Field<S extends z.ZodMiniType = z.ZodMiniType> {
  readonly schema: S;
  /** Its type also tells how a flag's or a variable's text is read: lists are comma-separated. */
  readonly default: z.infer<S>;
  readonly help: string;
  /** Shown as `********` by `config print`. */
  readonly secret?: boolean;
}

export type Fields = Readonly<Record<string, Field>>;
export type SettingsOf<F extends Fields> = { readonly [K in keyof F]: z.infer<F[K]["schema"]> };

export function field<S extends z.ZodMiniType>(schema: S, initial: z.infer<S>, help: string, options: { readonly secret?: boolean } = {}): Field<S> {
  return { schema, default: initial, help, ...options };
}

const words = (key: string): string[] => key.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).split(" ");
export const yamlKeyOf = (key: string): string => words(key).join("_");
export const flagOf = (key: string): string => `--${words(key).join("-")}`;
export const variableOf = (key: string): string => `FELHOM_${words(key).join("_").toUpperCase()}`;

export type Origin =
  | { readonly from: "default" }
  | { readonly from: "file"; readonly path: string }
  | { readonly from: "env"; readonly variable: string }
  | { readonly from: "flag"; readonly flag: string };

export interface Setting {
  readonly key: string;
  readonly value: unknown;
  readonly origin: Origin;
  readonly secret: boolean;
}
