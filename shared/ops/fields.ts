import * as z from "zod/mini";
import { base64, fromBase64 } from "../core/bytes.ts";

/** Field schemas that several kinds share. Everything has a bound; texts that become part of a command line hold no control characters. */

export { absolutePath, argv, described, environment, mode, oneLine, principal } from "../states/resources/fields.ts";

/** A unit of systemd or a service of sysvinit. It starts with a letter or digit, so it can't be taken for an option. */
export const serviceName = z.string().check(z.regex(/^[A-Za-z0-9][A-Za-z0-9@:_.\\-]{0,199}$/, { message: "is not a service name" }));
export const packageName = z.string().check(z.regex(/^[a-z0-9][a-z0-9+._-]{1,127}(?::[a-z0-9]+)?$/, { message: "is not a package name" }));

/** Bytes in canonical base64: one content, one spelling. `bytesMax` is of the bytes, not of the text. */
export const base64Bytes = (bytesMax: number) =>
  z.string().check(
    z.maxLength(Math.ceil(bytesMax / 3) * 4),
    z.refine(
      (text) => {
        const bytes = fromBase64(text);
        return bytes !== undefined && bytes.byteLength <= bytesMax && base64(bytes) === text;
      },
      { message: `is not canonical base64 of at most ${bytesMax} bytes` },
    ),
  );

export const seconds = (min: number, max: number) => z.int().check(z.minimum(min), z.maximum(max));
export const count = (min: number, max: number) => z.int().check(z.minimum(min), z.maximum(max));
