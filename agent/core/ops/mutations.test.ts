/**
 * A million envelopes that somebody altered on the way, and none is admitted. Every family is deterministic; most end before any
 * Ed25519, which is how a flood has to end. A mutant that still says the same signed bytes (a space more between two tokens) is
 * no other op: such are told apart by their payload, counted, and don't count.
 */
import { expect, test } from "bun:test";
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { OP_KIND_NAMES, OP_KINDS } from "../../../shared/ops/catalogue.ts";
import { OP_NOW_MS, operatorKeys, opPayloadOf, opRoot, opSubject, signAnything, strangerKey } from "../../../shared/sim/test-op.ts";
import { encodeEnvelope, type Envelope, parseEnvelope, signEnvelope } from "../../../shared/trust/envelope.ts";
import { ROLES } from "../../../shared/trust/payloads.ts";
import { admit, type AdmissionSite } from "./admit.ts";
import { OPEN_POLICY } from "./policy.ts";

const { anna, bela } = operatorKeys;
const root = opRoot();
const site: AdmissionSite = {
  root,
  subject: opSubject,
  expressions: undefined,
  nowMs: OP_NOW_MS,
  localTime: { day: 5, minute: 600 },
  floorMs: 0,
  ledgerFromMs: 0,
  ledger: { is: "damaged", incident: OP_KINDS["agent.recover-ledger"].example["incident"] as string },
  policy: { is: "sound", policy: OPEN_POLICY },
  seen: () => false,
  obstacle: () => undefined,
};
const sound: AdmissionSite = { ...site, ledger: { is: "sound" } };
const siteOf = (kind: string): AdmissionSite => (kind === "agent.recover-ledger" ? site : sound);

/** Every kind, with exactly the signatures that it needs. */
const originals = OP_KIND_NAMES.map((kind) => {
  const envelope = signAnything(opPayloadOf(kind), OP_KINDS[kind].class === "destroy" ? [anna, bela] : [anna]);
  return { kind, envelope, bytes: encodeEnvelope(envelope), site: siteOf(kind) };
});
type Original = (typeof originals)[number];

interface Tally {
  mutants: number;
  same: number;
  readonly codes: Map<string, number>;
  readonly admitted: string[];
}

function meet(tally: Tally, original: Original, bytes: Uint8Array): void {
  const admission = admit(bytes, original.site);
  if (admission.is === "refused") {
    tally.mutants += 1;
    tally.codes.set(admission.code, (tally.codes.get(admission.code) ?? 0) + 1);
    return;
  }
  const parsed = parseEnvelope(bytes);
  if (parsed.ok && parsed.value.payload === original.envelope.payload && parsed.value.payloadType === original.envelope.payloadType) tally.same += 1;
  else tally.admitted.push(fromUtf8(bytes).slice(0, 2_000));
}

/** xorshift32: the same mutants in every run. */
function dice(seed: number): (below: number) => number {
  const state = new Uint32Array([seed]);
  return (below) => {
    let x = state[0] ?? 1;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    state[0] = x;
    return (state[0] ?? 0) % below;
  };
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
const newTally = (): Tally => ({ mutants: 0, same: 0, codes: new Map(), admitted: [] });

/** One bit of every byte of every kind's envelope. */
function flipBits(tally: Tally): void {
  for (const original of originals) {
    for (let at = 0; at < original.bytes.byteLength; at += 1) {
      for (let bit = 0; bit < 8; bit += 1) {
        const bytes = new Uint8Array(original.bytes);
        bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
        meet(tally, original, bytes);
      }
    }
  }
}

/** Bytes cut out, doubled, moved, overwritten with pieces of another envelope. */
function spliceBytes(tally: Tally, count: number): void {
  const roll = dice(1);
  for (let done = 0; done < count; done += 1) {
    const original = originals[roll(originals.length)];
    const other = originals[roll(originals.length)];
    if (original === undefined || other === undefined) continue;
    const { bytes } = original;
    const from = roll(bytes.byteLength);
    const length = 1 + roll(64);
    const piece = other.bytes.subarray(roll(other.bytes.byteLength), other.bytes.byteLength).subarray(0, 1 + roll(64));
    const rest = bytes.subarray(from + length);
    const parts = [
      [bytes.subarray(0, from), rest],
      [bytes.subarray(0, from), piece, rest],
      [bytes.subarray(0, from), piece, bytes.subarray(from)],
      [bytes.subarray(0, from)],
      [bytes, piece],
    ][roll(5)];
    const mutant = Buffer.concat(parts ?? []);
    if (!mutant.equals(bytes)) meet(tally, original, mutant);
  }
}

/** The base64 of a signature or a key id altered as text: the payload stays, nobody signed it so. */
function alterSignatures(tally: Tally, count: number): void {
  const roll = dice(2);
  for (let done = 0; done < count; done += 1) {
    const original = originals[roll(originals.length)];
    if (original === undefined) continue;
    const letter = BASE64[roll(BASE64.length)] ?? "A";
    const signatures = original.envelope.signatures.map(({ keyid, sig }) => {
      const at = roll(sig.length + 4);
      const changed = roll(3) === 0 ? sig.slice(0, at) + letter + sig.slice(at) : sig.slice(0, at) + letter + sig.slice(at + 1);
      const id = roll(8) === 0 ? keyid : keyid.slice(0, roll(keyid.length)) + (BASE64[roll(64)] ?? "a") + keyid.slice(roll(keyid.length));
      return { keyid: id, sig: changed === sig ? `${sig}=` : changed };
    });
    meet(tally, original, encodeEnvelope({ ...original.envelope, signatures }));
  }
}

/** Fields of the payload changed, dropped, added or taken from another op – with the old signatures, a stranger's or made-up ones. */
function alterPayloads(tally: Tally, count: number): void {
  const roll = dice(3);
  const payloads = originals.map(({ envelope }) => JSON.parse(Buffer.from(envelope.payload, "base64").toString()) as Record<string, unknown>);
  const strangers = signAnything({}, [strangerKey]).signatures;
  const values: readonly unknown[] = [0, -1, 1.5, 2 ** 53, "", "ping", "cmd.run", true, null, [], {}, { expr: "true" }, "\u202e", OP_NOW_MS, OP_NOW_MS + 1e11];
  for (let done = 0; done < count; done += 1) {
    const at = roll(originals.length);
    const original = originals[at];
    const payload = { ...payloads[at] };
    const keys = Object.keys(payload);
    const key = keys[roll(keys.length)] ?? "kind";
    const before = JSON.stringify(payload);
    const how = roll(4);
    if (how === 0) delete payload[key];
    else if (how === 1) payload[key] = payloads[roll(payloads.length)]?.[keys[roll(keys.length)] ?? "kind"];
    else if (how === 2) payload[`${key}${roll(9)}`] = payload[key];
    else payload[key] = values[roll(values.length)];
    const text = JSON.stringify(payload);
    if (original === undefined || text === before) continue;
    // One in sixteen keeps the operators' signatures, and so costs an Ed25519.
    const kept = roll(16) === 0 ? original.envelope.signatures : strangers;
    meet(tally, original, encodeEnvelope({ payload: Buffer.from(text).toString("base64"), payloadType: original.envelope.payloadType, signatures: kept }));
  }
}

/** The right bytes and the right signatures under another type, and what was signed under another type as an op. */
function swapTypes(tally: Tally, count: number): void {
  const roll = dice(4);
  const names = [...ROLES, "op", "ops", "return", "report", "bundle", "host-cert", "facts", "grant", "OP", "op ", "op\u0000", "оp"];
  for (let done = 0; done < count; done += 1) {
    const original = originals[roll(originals.length)];
    const name = names[roll(names.length)] ?? "";
    const letters = "-+.abcdefghijklmnopqrstuvwxyz";
    const tail = roll(3) === 0 ? (letters[roll(letters.length)] ?? "") : "";
    const payloadType = `application/vnd.felhom.${name}${tail}+json`;
    if (original === undefined || payloadType === original.envelope.payloadType) continue;
    meet(tally, original, encodeEnvelope({ ...original.envelope, payloadType }));
  }
}

/** Really signed, but by a stranger, in an operator's name. Each costs two Ed25519, so they are few. */
function signAsOthers(tally: Tally, count: number): void {
  for (let done = 0; done < count; done += 1) {
    const original = originals[done % originals.length];
    if (original === undefined) continue;
    const bytes = utf8(JSON.stringify({ ...opPayloadOf(original.kind, {}, `stranger ${done}`) }));
    const signed: Envelope = signEnvelope("op", bytes, [strangerKey]);
    const claimed = signed.signatures.flatMap(({ sig }) => [anna.keyId, bela.keyId].map((keyid) => ({ keyid, sig })));
    meet(tally, original, encodeEnvelope({ ...signed, signatures: claimed }));
    meet(tally, original, encodeEnvelope(signed));
  }
}

test("1 000 000 altered envelopes: none is admitted", () => {
  for (const original of originals) expect(admit(original.bytes, original.site).is).toBe("admitted");
  const tally = newTally();
  const spent: string[] = [];
  const timed = (name: string, run: () => void): void => {
    const startedMs = performance.now();
    const before = tally.mutants;
    run();
    spent.push(`${name} ${tally.mutants - before} in ${Math.round(performance.now() - startedMs)} ms`);
  };
  timed("bits", () => flipBits(tally));
  timed("pieces", () => spliceBytes(tally, 220_000));
  timed("signatures", () => alterSignatures(tally, 200_000));
  timed("payloads", () => alterPayloads(tally, 310_000));
  timed("types", () => swapTypes(tally, 200_000));
  timed("strangers", () => signAsOthers(tally, 2_000));
  console.log(
    `${tally.mutants} mutants refused, ${tally.same} said the same; ${spent.join(", ")}; ${[...tally.codes].map(([code, times]) => `${code} ${times}`).join(", ")}`,
  );
  expect(tally.admitted).toEqual([]);
  expect(tally.mutants).toBeGreaterThanOrEqual(1_000_000);
  expect(tally.same).toBeLessThan(100);
  // Each family reached the checks it is meant for.
  for (const code of ["envelope_malformed", "wrong_type", "key_unknown", "signature_bad"]) expect(tally.codes.get(code) ?? 0).toBeGreaterThan(1_000);
}, 240_000);
