/** Ops and answers for the hub's tests: real ones, signed by the test fleet's operator and by its boxes. */
import { fromBase64 } from "../core/bytes.ts";
import { newOp } from "../ops/new-op.ts";
import { sha256Hex } from "../core/sha256.ts";
import type { Sha256 } from "../core/ids.ts";
import { type Envelope, sha256Hex as sha256Field } from "../protocol/fields.ts";
import type { OutboxItem } from "../protocol/sync.ts";
import type { TestBox } from "./test-box.ts";
import { valueOf } from "./test-fleet.ts";
import type { TestHub } from "./test-hub.ts";
import { signEnvelope } from "../trust/envelope.ts";
import type { SigningKey } from "../trust/keys.ts";
import { signReturn, unsignedOp } from "../trust/op.ts";
import { opPayload, type OpTarget, type ReturnPayload } from "../trust/payloads.ts";
import { encodePayload } from "../trust/sign-payload.ts";

export interface TestOp {
  readonly id: string;
  readonly sha256: Sha256;
  readonly bytes: Uint8Array;
  readonly envelope: Envelope;
  /** The same bytes, signed by this key alone. */
  signedBy(key: SigningKey): TestOp;
}

export interface TestWish {
  readonly kind?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly target?: OpTarget;
  readonly lifetimeMs?: number;
  /** Default: the fleet's one operator. None: it comes unsigned. */
  readonly keys?: readonly SigningKey[];
  readonly issuedAt?: number;
  /** Instead of a fresh one. */
  readonly id?: string;
}

export const DAY_MS = 86_400_000;

/** `cmd.run` of `true` on every host, for a day, unless said otherwise. */
export function testOp(hub: TestHub, wish: TestWish = {}): TestOp {
  const { kind = "cmd.run", params = { argv: ["/bin/true"], timeout_s: 60 }, target = { expr: "true" }, lifetimeMs = DAY_MS, keys = [hub.fleet.key] } = wish;
  const fleetId = hub.fleet.root.payload.fleet_id;
  const made = valueOf(newOp({ fleetId, kind, target, params, issuedAt: wish.issuedAt ?? hub.world.clock.wallMs(), lifetimeMs }, hub.world.crypto));
  const bytes = wish.id === undefined ? made.bytes : encodePayload("op", opPayload, { ...made.payload, id: wish.id });
  const signed = (by: readonly SigningKey[]): TestOp => ({
    id: wish.id ?? made.payload.id,
    sha256: sha256Field.parse(sha256Hex(bytes)),
    bytes,
    envelope: by.length === 0 ? unsignedOp(bytes) : signEnvelope("op", bytes, by),
    signedBy: (key) => signed([key]),
  });
  return signed(keys);
}

export const upload = (hub: TestHub, token: string, op: TestOp, pacing?: Readonly<Record<string, unknown>>) =>
  hub.ask("POST", "/api/v1/ops", { token, body: { envelope: op.envelope, ...(pacing === undefined ? {} : { pacing }) } });

export function answer(box: TestBox, op: Pick<TestOp, "id" | "sha256">, changes: Partial<ReturnPayload> = {}, key = box.keys.signingKey): Envelope {
  const payload: ReturnPayload = {
    v: 1,
    fleet_id: box.hub.fleet.root.payload.fleet_id,
    host_id: box.keys.hostId,
    op_id: op.id,
    op_sha256: op.sha256,
    part: 0,
    state: "done",
    at: box.hub.world.clock.wallMs(),
    ...changes,
  };
  return signReturn(payload, key);
}

export const returnItem = (seq: number, body: Envelope): OutboxItem => ({ seq, kind: "return", body });
/** The ids of the ops in a sync reply. */
export const opsIn = (json: { readonly ops?: readonly Envelope[] }): readonly string[] =>
  (json.ops ?? []).map(({ payload }) => JSON.parse(Buffer.from(fromBase64(payload) ?? new Uint8Array()).toString()).id);
