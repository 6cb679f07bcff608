/** Ops and answers for the hub's tests: real ones, signed by the test fleet's operator and by its boxes. */
import { fromBase64 } from "../core/bytes.ts";
import { newOp } from "../ops/new-op.ts";
import type { Sha256 } from "../core/ids.ts";
import { type Envelope, sha256Hex as sha256Field } from "../protocol/fields.ts";
import type { OutboxItem } from "../protocol/sync.ts";
import type { TestBox } from "./test-box.ts";
import { testKey, valueOf } from "./test-fleet.ts";
import type { TestHub } from "./test-hub.ts";
import { signEnvelope } from "../trust/envelope.ts";
import type { SigningKey } from "../trust/keys.ts";
import { signReturn } from "../trust/op.ts";
import type { OpTarget, ReturnPayload } from "../trust/payloads.ts";

export interface TestOp {
  readonly id: string;
  readonly sha256: Sha256;
  readonly bytes: Uint8Array;
  readonly envelope: Envelope;
}

export interface TestWish {
  readonly kind?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly target?: OpTarget;
  readonly lifetimeMs?: number;
  readonly keys?: readonly SigningKey[];
}

export const DAY_MS = 86_400_000;

/** `cmd.run` of `true` on every host, for a day, unless said otherwise. */
export function testOp(hub: TestHub, wish: TestWish = {}): TestOp {
  const { kind = "cmd.run", params = { argv: ["/bin/true"], timeout_s: 60 }, target = { expr: "true" }, lifetimeMs = DAY_MS, keys = [hub.fleet.key] } = wish;
  const fleetId = hub.fleet.root.payload.fleet_id;
  const op = valueOf(newOp({ fleetId, kind, target, params, issuedAt: hub.world.clock.wallMs(), lifetimeMs }, hub.world.crypto));
  return { id: op.payload.id, sha256: sha256Field.parse(op.sha256), bytes: op.bytes, envelope: signEnvelope("op", op.bytes, keys) };
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
export const stranger = testKey("a stranger");
