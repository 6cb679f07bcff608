import { utf8 } from "../core/bytes.ts";
import { assert } from "../core/assert.ts";
import type * as z from "zod/mini";
import { type Envelope, signEnvelope } from "./envelope.ts";
import type { SigningKey } from "./keys.ts";
import type { PayloadType } from "./payloads.ts";
import { parseStrict } from "./strict-json.ts";

/** JSON bytes of a payload, read back the way a verifier will: nothing is signed that would be refused. */
export function encodePayload<T>(type: PayloadType, schema: z.ZodMiniType<T>, value: T): Uint8Array {
  const bytes = utf8(JSON.stringify(value));
  const back = parseStrict(schema, bytes, type);
  assert(back.ok, `a ${type} payload that is signed is one that verifies (${back.ok ? "" : `${back.refusal}: ${back.detail}`})`);
  return bytes;
}

export function signPayload<T>(type: PayloadType, schema: z.ZodMiniType<T>, value: T, keys: readonly SigningKey[]): Envelope {
  return signEnvelope(type, encodePayload(type, schema, value), keys);
}
