import { describe, expect, test } from "bun:test";
import { sha256Hex } from "../protocol/fields.ts";
import type { Report } from "../protocol/report.ts";
import { refusalOf, testFleet, testHost, valueOf } from "../sim/test-fleet.ts";
import { signFacts, signReport, verifyHostSigned } from "./report.ts";

const fleet = testFleet();
const [one, two] = [testHost("one"), testHost("two")];
const identity = fleet.identity(one);
const report = (changes: Partial<Report> = {}): Report => ({
  v: 1,
  fleet_id: identity.fleetId,
  host_id: one.hostId,
  created_at: 5,
  bundle: 1,
  spec: 1,
  mode: "enforce",
  trigger: "interval",
  source: "database",
  duration_ms: 12,
  counts: { unchanged: 1, changed: 0, drifted: 0, failed: 0, skipped: 0, waiting: 0 },
  resources: [],
  plan_sha256: sha256Hex.parse("0".repeat(64)),
  ...changes,
});

describe("a report is refused with", () => {
  test("key_unknown: attack 72, host two signs a report, offered as host one's", () =>
    expect(refusalOf(verifyHostSigned("report", signReport(report(), two.signingKey), identity))).toBe("key_unknown"));
  test("host_mismatch: attack 72, host one signs in host two's name", () =>
    expect(refusalOf(verifyHostSigned("report", signReport(report({ host_id: two.hostId }), one.signingKey), identity))).toBe("host_mismatch"));
  test("fleet_mismatch: signed for another fleet", () =>
    expect(refusalOf(verifyHostSigned("report", signReport(report({ fleet_id: testFleet("two").root.payload.fleet_id }), one.signingKey), identity))).toBe(
      "fleet_mismatch",
    ));
  test("wrong_type: facts offered as a report", () =>
    expect(
      refusalOf(
        verifyHostSigned("report", signFacts({ v: 1, fleet_id: identity.fleetId, host_id: one.hostId, created_at: 5, facts: {} }, one.signingKey), identity),
      ),
    ).toBe("wrong_type"));
  test("signature_bad: the hub makes a failure a success", () => {
    const signed = signReport(report({ counts: { unchanged: 0, changed: 0, drifted: 0, failed: 9, skipped: 0, waiting: 0 } }), one.signingKey);
    const forged = Buffer.from(Buffer.from(signed.payload, "base64").toString().replace('"failed":9', '"failed":0')).toString("base64");
    expect(refusalOf(verifyHostSigned("report", { ...signed, payload: forged }, identity))).toBe("signature_bad");
  });
});

test("what a host signs is read back", () => {
  expect(valueOf(verifyHostSigned("report", signReport(report(), one.signingKey), identity))).toEqual(report());
  const facts = {
    v: 1,
    fleet_id: identity.fleetId,
    host_id: one.hostId,
    created_at: 5,
    facts: { os: { family: "debian" }, memory_bytes: 8_000_000_000, load: 0.25 },
  } as const;
  expect(valueOf(verifyHostSigned("facts", signFacts(facts, one.signingKey), identity))).toEqual(facts);
});
