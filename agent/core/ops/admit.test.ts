import { describe, expect, test } from "bun:test";
import { utf8 } from "../../../shared/core/bytes.ts";
import { openTargets } from "../../../shared/ops/op-target.ts";
import {
  OP_ISSUED_MS,
  OP_NOW_MS,
  opBytes,
  operatorKeys,
  opHost,
  opPayloadOf,
  opRoot,
  opSubject,
  signAnything,
  strangerKey,
} from "../../../shared/sim/test-op.ts";
import { encodeEnvelope, type Envelope, signEnvelope } from "../../../shared/trust/envelope.ts";
import type { SigningKey } from "../../../shared/trust/keys.ts";
import { unsignedOp } from "../../../shared/trust/op.ts";
import { payloadType } from "../../../shared/trust/payloads.ts";
import type { Refusal } from "../../../shared/trust/verdict.ts";
import { admit, admitAgain, type AdmissionSite } from "./admit.ts";
import { damagedPolicy, OPEN_POLICY } from "./policy.ts";

const { anna, bela, cili } = operatorKeys;
const DAY_MS = 86_400_000;
const site: AdmissionSite = {
  root: opRoot(),
  subject: opSubject,
  expressions: undefined,
  nowMs: OP_NOW_MS,
  localTime: { day: 5, minute: 600 },
  floorMs: 0,
  ledgerFromMs: 0,
  ledger: { is: "sound" },
  policy: { is: "sound", policy: OPEN_POLICY },
  seen: () => false,
  obstacle: () => undefined,
};
const codeOf = (bytes: Uint8Array, changes: Partial<AdmissionSite> = {}): string => {
  const admission = admit(bytes, { ...site, ...changes });
  return admission.is === "refused" ? admission.code : admission.is;
};

/** An op in the making: each fault changes one part, so that any two can be had at once. */
interface Making {
  readonly payload: Readonly<Record<string, unknown>>;
  /** Of the payload's JSON, before it is signed. */
  readonly text: (json: string) => string;
  readonly keys: readonly SigningKey[];
  readonly envelope: (envelope: Envelope) => Envelope;
  readonly bytes: (bytes: Uint8Array) => Uint8Array;
  readonly site: Partial<AdmissionSite>;
}
const sound: Making = {
  payload: opPayloadOf("service.restart"),
  text: (json) => json,
  keys: [anna],
  envelope: (envelope) => envelope,
  bytes: (bytes) => bytes,
  site: {},
};
const signText = (json: string, keys: readonly SigningKey[]): Envelope => signEnvelope("op", utf8(json), keys);
const make = ({ payload, text, keys, envelope, bytes }: Making): Uint8Array => bytes(encodeEnvelope(envelope(signText(text(JSON.stringify(payload)), keys))));

type Fault = readonly [code: Refusal, what: string, (making: Making) => Making];
const withPayload =
  (changes: Readonly<Record<string, unknown>>) =>
  (making: Making): Making => ({ ...making, payload: { ...making.payload, ...changes } });
const withText =
  (change: (json: string) => string) =>
  (making: Making): Making => ({ ...making, text: (json) => change(making.text(json)) });
const withSite =
  (changes: Partial<AdmissionSite>) =>
  (making: Making): Making => ({ ...making, site: { ...making.site, ...changes } });

/** The checks in trust.md's order; faults of one step exclude each other. */
const STEPS: readonly (readonly Fault[])[] = [
  [["envelope_malformed", "half of the bytes", (making) => ({ ...making, bytes: (bytes) => bytes.subarray(0, bytes.byteLength / 2) })]],
  [
    [
      "wrong_type",
      "another type on it",
      (making) => ({ ...making, envelope: (envelope) => ({ ...making.envelope(envelope), payloadType: payloadType("report") }) }),
    ],
  ],
  [
    ["key_unknown", "a stranger's signature", (making) => ({ ...making, keys: [strangerKey] })],
    [
      "signature_bad",
      "a signature of other bytes",
      (making) => ({ ...making, envelope: (envelope) => ({ ...making.envelope(envelope), signatures: signAnything("other", making.keys).signatures }) }),
    ],
  ],
  [
    ["payload_schema", "a field that nobody knows", withText((json) => json.replace("{", '{"sudo":true,'))],
    ["payload_bad_version", "version 2", withText((json) => json.replace('"v":1', '"v":2'))],
    ["payload_duplicate_key", "two kinds", withText((json) => json.replace("{", '{"kind":"ping",'))],
    ["payload_unsafe_number", "2^53 + 1", withText((json) => json.replace(/"expires_at":\d+/, '"expires_at":9007199254740993'))],
    ["payload_not_json", "a comma too many", withText((json) => json.replace(/}$/, ",}"))],
    ["payload_too_deep", "33 levels", withText((json) => json.replace('"params":{', `"params":{"deep":${"[".repeat(33)}${"]".repeat(33)},`))],
    ["payload_schema", "an end before its beginning", withText((json) => json.replace(/"expires_at":\d+/, '"expires_at":1'))],
  ],
  [["fleet_mismatch", "another fleet", withPayload({ fleet_id: "f-aaaaaaaaaaaaaaaa" })]],
  [
    ["op_target_mismatch", "another host", withPayload({ target: { host_id: "h-aaaaaaaaaaaaaaaa" } })],
    ["op_target_mismatch", "a list of others", withPayload({ target: { expr: 'host.id in ["h-aaaaaaaaaaaaaaaa", "h-bbbbbbbbbbbbbbbb"]' } })],
    ["op_target_mismatch", "nobody", withPayload({ target: { expr: "false" } })],
  ],
  [
    ["from_future", "an hour ahead", withSite({ nowMs: OP_ISSUED_MS - 3_600_000 })],
    ["expired", "a day late", withSite({ nowMs: OP_ISSUED_MS + DAY_MS })],
    ["lifetime_too_long", "31 days", withPayload({ expires_at: OP_ISSUED_MS + 31 * DAY_MS })],
    ["below_floor", "before what was accepted", withSite({ floorMs: OP_ISSUED_MS + 2 * 3_600_000 })],
    ["below_floor", "before the ledger was recovered", withSite({ ledgerFromMs: OP_ISSUED_MS })],
    ["op_clock_unset", "a clock of yesterday", withSite({ nowMs: OP_ISSUED_MS - DAY_MS, floorMs: OP_ISSUED_MS })],
  ],
  [
    ["op_replayed", "an id that is in the ledger", withSite({ seen: () => true })],
    ["op_ledger_unsafe", "an older copy of the ledger", withSite({ ledger: { is: "behind", incident: "i1" } })],
    ["op_ledger_unsafe", "a damaged ledger", withSite({ ledger: { is: "damaged", incident: "i1" } })],
  ],
  [
    ["op_kind_unknown", "a kind of tomorrow", withPayload({ kind: "host.paint" })],
    ["op_params", "an option for a name", withPayload({ params: { name: "--now" } })],
    ["op_params", "a parameter too many", withPayload({ params: { name: "nginx", force: true } })],
    ["op_params", "a guest for a target", withPayload({ target: { host_id: opHost.hostId, guest_id: "vm-104" } })],
  ],
  [
    ["op_policy", "a kind that is denied", withSite({ policy: { is: "sound", policy: { ...OPEN_POLICY, deny: ["service.*", "host.*"] } } })],
    ["op_policy", "a damaged policy", withSite({ policy: damagedPolicy("line 3") })],
  ],
  [["op_precondition", "no free disk", withSite({ obstacle: () => "no free disk" })]],
];

describe("admission", () => {
  test("what is sound in every respect is admitted, with what running it needs", () => {
    const admission = admit(make(sound), site);
    expect(admission).toMatchObject({
      is: "admitted",
      op: { kind: "service.restart", params: { name: "nginx" } },
      class: "change",
      exclusive: true,
      idempotent: false,
      ledger: "commit",
      floorMs: OP_ISSUED_MS,
      verified: { signers: [anna.keyId] },
    });
  });
  for (const [at, step] of STEPS.entries()) {
    for (const [code, what, breakIt] of step) {
      test(`check ${at + 1}: ${what} is ${code}`, () => {
        const making = breakIt(sound);
        expect(codeOf(make(making), making.site)).toBe(code);
      });
      for (const [after, later] of STEPS.entries()) {
        if (after <= at) continue;
        for (const [, alsoWhat, breakToo] of later) {
          test(`check ${at + 1} before ${after + 1}: ${what} speaks before ${alsoWhat}`, () => {
            const both = breakIt(breakToo(sound));
            const swapped = breakToo(breakIt(sound));
            // Where two faults are about one field, the one that came last is there alone.
            const codes = new Set([codeOf(make(both), both.site), codeOf(make(swapped), swapped.site)]);
            expect(codes).toContain(code);
            if (!overlaps(breakIt, breakToo)) expect([...codes]).toEqual([code]);
          });
        }
      }
    }
  }
});

/** Do these two faults write to one place, so that only one of them can be there? */
function overlaps(one: Fault[2], two: Fault[2]): boolean {
  const [a, b] = [one(sound), two(sound)];
  const fields = (making: Making) =>
    [...Object.keys(making.payload), ...Object.keys(making.site).map((key) => `site.${key}`)].filter(
      (key) => key.startsWith("site.") || making.payload[key] !== sound.payload[key],
    );
  return fields(a).some((field) => fields(b).includes(field));
}

describe("signers", () => {
  const destroy = opPayloadOf("host.shutdown");
  const by = (...keys: readonly SigningKey[]) => codeOf(encodeEnvelope(signAnything(destroy, keys)));
  test("a kind asks for its own role and threshold, whatever the other role would say", () => {
    expect([by(anna), by(cili), by(anna, bela), by(bela, cili), by(anna, strangerKey)]).toEqual([
      "threshold_not_met",
      "threshold_not_met",
      "admitted",
      "admitted",
      "threshold_not_met",
    ]);
    // Two keys may destroy, neither of them may operate.
    expect(codeOf(opBytes("converge.now", {}, [cili]))).toBe("threshold_not_met");
    const apart = opRoot({ roles: { ...opRoot().payload.roles, destroy: { keys: [bela.keyId, cili.keyId], threshold: 2 } } });
    expect(codeOf(opBytes("host.shutdown", {}, [anna]), { root: apart })).toBe("key_unknown");
    expect(codeOf(opBytes("converge.now", {}, [bela, cili]), { root: apart })).toBe("admitted");
    expect(codeOf(opBytes("converge.now", {}, [cili]), { root: apart })).toBe("threshold_not_met");
  });
  test("nothing of a payload is looked at before a role's signatures were counted", () => {
    for (const keys of [[strangerKey], [cili]])
      expect(codeOf(encodeEnvelope(signText("not json", keys)))).toBe(keys[0] === cili ? "threshold_not_met" : "key_unknown");
  });
});

describe("without a signature", () => {
  const unsigned = (payload: unknown) => encodeEnvelope(unsignedOp(utf8(JSON.stringify(payload))));
  test("only kinds that need none, for an hour at most, and never a row of the ledger or a step of the floor", () => {
    const admission = admit(unsigned(opPayloadOf("ping")), site);
    expect(admission).toMatchObject({ is: "admitted", ledger: "skip", floorMs: 0, verified: { signers: [] } });
    for (const kind of ["logs.tail", "file.get", "cmd.run", "host.shutdown"] as const) expect(codeOf(unsigned(opPayloadOf(kind)))).toBe("key_unknown");
    expect(codeOf(unsigned(opPayloadOf("ping", { expires_at: OP_ISSUED_MS + 3_600_001 })))).toBe("lifetime_too_long");
    expect(codeOf(unsigned({ ...opPayloadOf("ping"), kind: "host.paint" }))).toBe("key_unknown");
    expect(codeOf(unsigned("nothing"))).toBe("key_unknown");
  });
  test("a host may want every op signed", () => {
    const policy = { is: "sound", policy: { ...OPEN_POLICY, signedReads: true } } as const;
    expect([codeOf(unsigned(opPayloadOf("ping")), { policy }), codeOf(opBytes("ping"), { policy })]).toEqual(["op_policy", "admitted"]);
  });
  test("the mark of an unsigned op beside a signature makes nothing unsigned", () => {
    const { signatures } = unsignedOp(new Uint8Array());
    const envelope = signAnything(opPayloadOf("cmd.run"), [strangerKey]);
    expect(codeOf(encodeEnvelope({ ...envelope, signatures: [...signatures, ...envelope.signatures] }))).toBe("key_unknown");
    expect(codeOf(encodeEnvelope({ ...envelope, signatures }))).toBe("key_unknown");
  });
});

describe("time", () => {
  test("the floor is raised by signed times only, and never falls", () => {
    const raised = (changes: Partial<AdmissionSite>) => {
      const admission = admit(opBytes("converge.now"), { ...site, ...changes });
      return admission.is === "admitted" ? admission.floorMs : admission;
    };
    expect(raised({})).toBe(OP_ISSUED_MS);
    expect(raised({ floorMs: OP_ISSUED_MS + 500 })).toBe(OP_ISSUED_MS + 500);
  });
  test("an operator whose clock is minutes ahead does not make a right clock look wrong", () => {
    const ahead = OP_NOW_MS + 290_000;
    const first = admit(opBytes("converge.now", { issued_at: ahead, expires_at: ahead + 60_000 }), site);
    expect(first).toMatchObject({ is: "admitted", floorMs: ahead });
    expect(codeOf(opBytes("converge.now"), { floorMs: ahead })).toBe("admitted");
  });
  test("O04: a box without a clock reads and does nothing else, and what it reads moves no floor", () => {
    const lost = { nowMs: 0, floorMs: OP_ISSUED_MS };
    expect([codeOf(opBytes("converge.now"), lost), codeOf(opBytes("host.shutdown", {}, [anna, bela]), lost), codeOf(opBytes("file.get"), lost)]).toEqual([
      "op_clock_unset",
      "op_clock_unset",
      "admitted",
    ]);
    const later = opBytes("file.get", { issued_at: OP_ISSUED_MS + 300 * DAY_MS, expires_at: OP_ISSUED_MS + 301 * DAY_MS });
    expect(admit(later, { ...site, ...lost })).toMatchObject({ is: "admitted", floorMs: OP_ISSUED_MS });
    expect(codeOf(opBytes("file.get"), { nowMs: 0, floorMs: OP_ISSUED_MS + DAY_MS })).toBe("below_floor");
  });
  test("O09: an operator whose clock is a day ahead is told so", () => {
    const admission = admit(opBytes("converge.now", { issued_at: OP_NOW_MS + DAY_MS, expires_at: OP_NOW_MS + 2 * DAY_MS }), site);
    expect(admission).toMatchObject({ is: "refused", code: "from_future", detail: "issued 86400 s ahead of this box's clock" });
  });
  test("O03: what was admitted is judged again when its turn comes", () => {
    const again = (changes: Partial<AdmissionSite>, bytes = opBytes("converge.now")) => {
      const verdict = admitAgain(bytes, { ...site, ...changes });
      return verdict.ok ? "admitted" : verdict.refusal;
    };
    expect(again({})).toBe("admitted");
    expect(again({ nowMs: OP_ISSUED_MS + 3_600_000 })).toBe("expired");
    expect(again({ policy: damagedPolicy("now") })).toBe("op_policy");
    expect(again({ nowMs: 0, floorMs: OP_ISSUED_MS })).toBe("op_clock_unset");
  });
  test("O05: whose key left the root while the op waited has not signed it, on every box alike", () => {
    const without = opRoot({ roles: { ...opRoot().payload.roles, operate: { keys: [bela.keyId], threshold: 1 } } });
    const first = admitAgain(opBytes("converge.now"), { ...site, root: without });
    expect([codeOf(opBytes("converge.now"), { root: without }), first.ok ? "admitted" : first.refusal]).toEqual(["threshold_not_met", "threshold_not_met"]);
  });
});

describe("the ledger", () => {
  const recover = opBytes("agent.recover-ledger", { params: { incident: "i1" } });
  test("damaged: what is idempotent and what reads goes on; behind: only what reads; a recovery is taken by both", () => {
    const table = (["damaged", "behind"] as const).map((is) =>
      [opBytes("cmd.run"), opBytes("converge.now"), opBytes("file.get"), recover].map((bytes) => codeOf(bytes, { ledger: { is, incident: "i1" } })),
    );
    expect(table).toEqual([
      ["op_ledger_unsafe", "admitted", "admitted", "admitted"],
      ["op_ledger_unsafe", "op_ledger_unsafe", "admitted", "admitted"],
    ]);
  });
  test("a recovery is for one incident, and there has to be one", () => {
    expect(codeOf(recover, { ledger: { is: "damaged", incident: "i2" } })).toBe("op_precondition");
    expect(codeOf(recover)).toBe("op_precondition");
  });
  test("O02: after a recovery nothing issued before it runs, known to the new ledger or not", () => {
    expect(codeOf(opBytes("cmd.run"), { ledgerFromMs: OP_ISSUED_MS })).toBe("below_floor");
    expect(codeOf(opBytes("cmd.run", { issued_at: OP_ISSUED_MS + 1 }), { ledgerFromMs: OP_ISSUED_MS })).toBe("admitted");
  });
});

describe("targets", () => {
  test("an expression is asked of the library only when it needs one, and each box answers for itself", async () => {
    const aimed = opBytes("converge.now", { target: { expr: "label.site == 'gyor' && fact.memory.total_mb >= 8192" } });
    expect(admit(aimed, site)).toEqual({ is: "undecided" });
    const expressions = await openTargets();
    expect(codeOf(aimed, { expressions })).toBe("admitted");
    expect(codeOf(aimed, { expressions, subject: { ...opSubject, labels: {} } })).toBe("op_target_mismatch");
    expect(codeOf(opBytes("converge.now", { target: { expr: "true" } }))).toBe("admitted");
    expect(codeOf(opBytes("converge.now", { target: { expr: `host.id in ["${opHost.hostId}", "h-aaaaaaaaaaaaaaaa"]` } }))).toBe("admitted");
  });
});
