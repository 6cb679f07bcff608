import * as z from "zod/mini";

/**
 * The field schemas that resource types share. Everything has a bound and a description: JSON Schema (for editors) and the
 * reference page are made from these. No pattern here backtracks.
 */

export const CONTENT_CHARS_MAX = 1024 * 1024;
/** A resource id is `type/name` and is at most 256 characters in a report, so a name stays below that. */
export const RESOURCE_NAME_CHARS_MAX = 240;

// oxlint-disable-next-line no-control-regex -- control characters are what this refuses
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;
const isPlain = (value: string) => !CONTROL.test(value);

/** Absolute, normal (no `.`, `..` or empty component, no slash at the end but for `/` itself), one line. */
export function isAbsolutePath(value: string): boolean {
  if (!value.startsWith("/") || !isPlain(value)) return false;
  return (
    value === "/" ||
    value
      .slice(1)
      .split("/")
      .every((part) => part !== "" && part !== "." && part !== "..")
  );
}

const plain = z.refine<string>(isPlain, { message: "holds a control character" });

export const described = <T extends z.ZodMiniType>(schema: T, text: string): T => schema.check(z.describe(text)) as T;

export const oneLine = (charsMax: number) => z.string().check(z.maxLength(charsMax), plain);
export const resourceName = z.string().check(z.minLength(1), z.maxLength(RESOURCE_NAME_CHARS_MAX), plain);

export const absolutePath = z
  .string()
  .check(z.maxLength(RESOURCE_NAME_CHARS_MAX), z.refine(isAbsolutePath, { message: "is not an absolute path without `.`, `..`, `//` or a slash at the end" }));

/** A path of the bundle, under `files/`. */
export const bundleFile = z.string().check(
  z.maxLength(512),
  z.regex(/^files\/[A-Za-z0-9_@.+ -]+(?:\/[A-Za-z0-9_@.+ -]+)*$/),
  z.refine((path) => isAbsolutePath(`/${path}`), { message: "is not a plain path below files/" }),
);

/** Octal, as text: YAML reads a bare 0644 as the number 644. */
export const mode = z.string().check(z.regex(/^[0-7]{3,4}$/, { message: 'is not an octal mode in quotes, like "0644"' }));
export const modeBits = (text: string): number => Number.parseInt(text, 8);
export const modeText = (bits: number): string => (bits & 0o7777).toString(8).padStart(4, "0");

/** A user or group: by name, or by number. */
export const accountName = z
  .string()
  .check(z.regex(/^[a-z_][a-z0-9_.-]{0,30}\$?$/, { message: "is not a user or group name (lower case, at most 32 characters)" }));
export const accountId = z.int().check(z.minimum(0), z.maximum(4_294_967_294));
export const principal = z.union([accountName, accountId]);
export type Principal = string | number;

export const presence = z.enum(["present", "absent"]);

export const argv = z
  .array(
    z.string().check(
      z.maxLength(8_192),
      z.refine((word) => !word.includes("\0"), { message: "holds a NUL character" }),
    ),
  )
  .check(z.minLength(1), z.maxLength(256));
export type Argv = readonly string[];

export const environment = z
  .record(
    z.string().check(z.regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/)),
    z.string().check(
      z.maxLength(8_192),
      z.refine((text) => !text.includes("\0"), { message: "holds a NUL character" }),
    ),
  )
  .check(z.refine((map) => Object.keys(map).length <= 64, { message: "has more than 64 variables" }));

/** What a provider saw of an account that owns something. A name is absent when the system has none for the number. */
export interface ObservedOwner {
  readonly uid: number;
  readonly gid: number;
  readonly owner?: string;
  readonly group?: string;
}

export function ownerDiffers(wanted: Principal | undefined, name: string | undefined, id: number): boolean {
  return wanted !== undefined && (typeof wanted === "number" ? wanted !== id : wanted !== name);
}
