import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { syncReply } from "../../../shared/protocol/sync.ts";
import { testFleet, testHost } from "../../../shared/sim/test-fleet.ts";
import { decodeSyncReply } from "./reply.ts";

const fleet = testFleet();
const host = testHost("a");
const whole = {
  v: 1,
  protocol: 1,
  min_protocol: 1,
  hub_epoch: 2,
  acked_seq: 17,
  next_ms: 0,
  roots: [fleet.rootEnvelope],
  host_cert: fleet.cert(host),
  bundle: fleet.bundle(1, {}),
  spec: { v: 1, host_id: host.hostId, generation: 3, mode: "enforce" },
  want_offer: true,
  ops: [fleet.rootEnvelope],
  cancelled: ["o-aaaaaaaaaaaaaaaa"],
  ledger_generation: 7,
  echo: "a-word",
};

describe("the resident's reading of a sync reply", () => {
  test("gives what the wire's schema gives", () => {
    expect(decodeSyncReply(whole)).toEqual(syncReply.parse(whole));
  });

  test("takes no reply that the schema refuses, but for what the worker judges", () => {
    const wrong = fc.oneof(fc.string(), fc.integer({ max: -1 }), fc.double(), fc.boolean(), fc.constant(null), fc.constant([1]), fc.constant({ payload: 1 }));
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(whole)), wrong, (key, value) => {
        const altered = { ...whole, [key]: value };
        // A number that happens to be right, or a boolean where one belongs, is no fault.
        if (syncReply.safeParse(altered).success) return;
        expect(decodeSyncReply(altered)).toBeUndefined();
      }),
    );
  });

  test("needs every number, and no document", () => {
    const { roots: _r, host_cert: _c, bundle: _b, spec: _s, want_offer: _w, ops: _o, cancelled: _x, ledger_generation: _l, echo: _e, ...numbers } = whole;
    expect(decodeSyncReply(numbers)).toEqual(numbers);
    for (const key of Object.keys(numbers)) expect(decodeSyncReply({ ...numbers, [key]: undefined })).toBeUndefined();
  });

  test("drops what it does not know", () => expect(decodeSyncReply({ ...whole, run_this: "now" })).not.toHaveProperty("run_this"));
  for (const value of [null, [], "x", 7]) test(`${JSON.stringify(value)} is no reply`, () => expect(decodeSyncReply(value)).toBeUndefined());
});
