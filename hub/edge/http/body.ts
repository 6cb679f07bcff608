import { Fault } from "../../../shared/core/fault.ts";

const DIGITS = /^(?:0|[1-9]\d{0,14})$/;

/**
 * A request's body, refused by its announced length before a byte is buffered; without one (chunked), counted as it comes and cut
 * off at the limit. Throws `too_large`, or `bad_request` for a length that is not one number (two of them smuggle).
 */
export function readBytes(request: Request, bytesMax: number): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (announced === null) return readCounted(request, bytesMax);
  if (!DIGITS.test(announced)) return Promise.reject(notOneNumber());
  if (Number(announced) > bytesMax) return Promise.reject(tooLarge(bytesMax));
  return request.bytes();
}

/** The same as text. Malformed UTF-8 becomes U+FFFD: for messages whose signed parts are base64. */
export function readText(request: Request, bytesMax: number): Promise<string> {
  const announced = request.headers.get("content-length");
  if (announced === null) return readCounted(request, bytesMax).then((bytes) => new TextDecoder().decode(bytes));
  if (!DIGITS.test(announced)) return Promise.reject(notOneNumber());
  if (Number(announced) > bytesMax) return Promise.reject(tooLarge(bytesMax));
  return request.text();
}

/** Throws when the announced length is beyond the bound or is no number; a body without one is counted when it is read. */
export function checkAnnounced(request: Request, bytesMax: number): void {
  const announced = request.headers.get("content-length");
  if (announced === null) return;
  if (!DIGITS.test(announced)) throw notOneNumber();
  if (Number(announced) > bytesMax) throw tooLarge(bytesMax);
}

export function hasBody(request: Request): boolean {
  const announced = request.headers.get("content-length");
  return (announced !== null && announced !== "0") || request.headers.has("transfer-encoding");
}

export const tooLarge = (bytesMax: number): Fault =>
  new Fault("too_large", `Cannot take this request: its body is above ${bytesMax} bytes`, { facts: { bytes_max: bytesMax } });

const notOneNumber = (): Fault => new Fault("bad_request", "Cannot read this request: its content-length is not one number");

async function readCounted(request: Request, bytesMax: number): Promise<Uint8Array> {
  if (request.body === null) return new Uint8Array();
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of countedParts(request.body, bytesMax)) {
    parts.push(part);
    size += part.byteLength;
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

/** The parts of a stream; throws `too_large` as soon as they are more than allowed, and lets go of the rest. */
export async function* countedParts(stream: ReadableStream<Uint8Array>, bytesMax: number): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let size = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      size += value.byteLength;
      if (size > bytesMax) throw tooLarge(bytesMax);
      yield value;
    }
  } finally {
    // What the sender still has to say is not wanted; that this can fail too is no news.
    reader.cancel().catch(() => {});
  }
}
