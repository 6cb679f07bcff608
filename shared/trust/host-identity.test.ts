import { describe, expect, test } from "bun:test";
import { base64url } from "../core/bytes.ts";
import { FLEET_MADE_MS, refusalOf, testBoxKey, testFleet, testHost, testKey, testToken, valueOf } from "../sim/test-fleet.ts";
import { checkKnown, GRANT_LIFETIME_MS_MAX, verifyAdmission, verifyGrant, verifyHostCert, verifyMine, verifySuccessor } from "./host-identity.ts";
import { spellKey } from "./keys.ts";
import { admissionPayload } from "./payloads.ts";
import { signPayload } from "./sign-payload.ts";

const fleet = testFleet();
const foreign = testFleet("two");
const one = testHost("one");
const two = testHost("two");
const lowOrderU = base64url(new Uint8Array(32));

describe("a host certificate", () => {
  const judge = (changes: Parameters<typeof fleet.cert>[1]) => refusalOf(verifyHostCert(fleet.cert(one, changes), fleet.root));
  test("binds name, labels and both keys to the host", () => {
    const identity = valueOf(verifyHostCert(fleet.cert(one, { labels: { role: "web" }, serial: 7 }), fleet.root));
    expect(identity).toEqual({
      fleetId: fleet.root.payload.fleet_id,
      hostId: one.hostId,
      name: "box",
      labels: { role: "web" },
      signingKey: one.signingKey.publicKey,
      keyId: one.signingKey.keyId,
      boxKey: one.boxKey.publicKey,
      serial: 7,
      createdAt: FLEET_MADE_MS,
    });
  });
  test("key_mismatch: an id that is not its signing key's (attack 67)", () => expect(judge({ host_id: two.hostId })).toBe("key_mismatch"));
  test("key_unsafe: a low-order box key (attack 22), a low-order signing key (attack 13)", () => {
    expect(judge({ box_key: lowOrderU })).toBe("key_unsafe");
    expect(judge({ signing_key: base64url(new Uint8Array(32)) })).toBe("key_unsafe");
  });
  test("key_unsafe: the signing key offered as box key (attack 23)", () => expect(judge({ box_key: spellKey(one.signingKey.publicKey) })).toBe("key_unsafe"));
  test("fleet_mismatch: signed by a key of this fleet for another", () => expect(judge({ fleet_id: foreign.root.payload.fleet_id })).toBe("fleet_mismatch"));
  test("key_unknown: signed by another fleet's key", () => expect(refusalOf(verifyHostCert(foreign.cert(one), fleet.root))).toBe("key_unknown"));
  test("attack 21: a box key that the hub swapped in breaks the signature", () => {
    const signed = fleet.cert(one);
    const swapped = Buffer.from(signed.payload, "base64")
      .toString()
      .replace(spellKey(one.boxKey.publicKey), spellKey(testBoxKey("hub").publicKey));
    expect(refusalOf(verifyHostCert({ ...signed, payload: Buffer.from(swapped).toString("base64") }, fleet.root))).toBe("signature_bad");
  });
});

describe("the next certificate of a host", () => {
  const current = fleet.identity(one, { serial: 3 });
  const judge = (serial: number, host = one) => refusalOf(verifySuccessor(current, fleet.identity(host, { serial })));
  test("accepted: a serial that grew", () => expect(judge(4)).toBe("accepted"));
  test("version_not_newer: the same serial, or an older one (replayed labels)", () =>
    expect([judge(3), judge(2)]).toEqual(["version_not_newer", "version_not_newer"]));
  test("host_mismatch: another host's", () => expect(judge(4, two)).toBe("host_mismatch"));
  test("fleet_mismatch: another fleet's", () => expect(refusalOf(verifySuccessor(current, foreign.identity(one, { serial: 4 })))).toBe("fleet_mismatch"));
});

describe("a host that the workstation remembers", () => {
  const judge = (serial: number, known?: { serial: number; revoked: boolean }) => refusalOf(checkKnown(known, fleet.identity(one, { serial })));
  test("accepted: never seen, the same serial, a newer one", () =>
    expect([judge(1), judge(3, { serial: 3, revoked: false }), judge(4, { serial: 3, revoked: false })]).toEqual(["accepted", "accepted", "accepted"]));
  test("below_floor: the hub shows the certificate from before a relabelling", () => expect(judge(2, { serial: 3, revoked: false })).toBe("below_floor"));
  test("host_revoked: the hub says nothing of a revocation", () => expect(judge(9, { serial: 3, revoked: true })).toBe("host_revoked"));
});

describe("on the box", () => {
  const mine = { signingKey: one.signingKey.publicKey, boxKey: one.boxKey.publicKey };
  test("host_mismatch: a certificate of another host", () => expect(refusalOf(verifyMine(fleet.identity(two), mine))).toBe("host_mismatch"));
  test("key_mismatch: my id with a box key that I do not hold (attack 21)", () =>
    expect(refusalOf(verifyMine(fleet.identity(one, { box_key: spellKey(two.boxKey.publicKey) }), mine))).toBe("key_mismatch"));
  test("accepted: mine", () => expect(refusalOf(verifyMine(fleet.identity(one), mine))).toBe("accepted"));
});

describe("a grant and its admission", () => {
  const grant = fleet.grant("shop", { labels: { site: "pecs" } });
  const end = FLEET_MADE_MS + 30 * 86_400_000;
  const judge = (parts: Partial<Parameters<typeof verifyAdmission>[0]>) =>
    refusalOf(verifyAdmission({ grant, admission: fleet.admission("shop", one), root: fleet.root, ...parts }));
  test("admit a host with the grant's labels and serial 0", () => {
    const identity = valueOf(verifyAdmission({ grant, admission: fleet.admission("shop", one), root: fleet.root, nowMs: end - 1 }));
    expect([identity.hostId, identity.serial, identity.labels, identity.grantId]).toEqual([one.hostId, 0, { site: "pecs" }, "shop"]);
  });
  test("grant_expired: used at or after its end; an identity admitted before stays", () => {
    expect(judge({ nowMs: end })).toBe("grant_expired");
    expect(judge({})).toBe("accepted");
  });
  test("grant_expired: an admission that is itself dated after the end", () =>
    expect(judge({ admission: fleet.admission("shop", one, { created_at: end }) })).toBe("grant_expired"));
  test("key_unknown: an admission by another grant's token (attack 69)", () => expect(judge({ admission: fleet.admission("other", one) })).toBe("key_unknown"));
  test("grant_mismatch: one token key in two grants", () => {
    const admission = signPayload(
      "admission",
      admissionPayload,
      {
        v: 1,
        fleet_id: fleet.root.payload.fleet_id,
        grant_id: "other",
        host_id: one.hostId,
        name: "box",
        signing_key: spellKey(one.signingKey.publicKey),
        box_key: spellKey(one.boxKey.publicKey),
        created_at: 1,
      },
      [testToken("shop")],
    );
    expect(judge({ admission })).toBe("grant_mismatch");
  });
  test("key_mismatch: an admission for a host id that is not its key's (attack 67)", () =>
    expect(judge({ admission: fleet.admission("shop", one, { host_id: two.hostId }) })).toBe("key_mismatch"));
  test("fleet_mismatch: an admission for another fleet", () =>
    expect(judge({ admission: fleet.admission("shop", one, { fleet_id: foreign.root.payload.fleet_id }) })).toBe("fleet_mismatch"));
  test("signature_bad: the hub moves an admission to keys of its own", () => {
    const admission = fleet.admission("shop", one);
    const swapped = Buffer.from(admission.payload, "base64").toString().replace(spellKey(one.boxKey.publicKey), spellKey(two.boxKey.publicKey));
    expect(judge({ admission: { ...admission, payload: Buffer.from(swapped).toString("base64") } })).toBe("signature_bad");
  });
  test("key_unknown: a grant that the hub made itself", () => expect(judge({ grant: foreign.grant("shop") })).toBe("key_unknown"));
  test("key_unsafe: a grant for a low-order token key, with which anyone could admit", () =>
    expect(judge({ grant: fleet.grant("shop", { token_key: base64url(new Uint8Array(32)) }) })).toBe("key_unsafe"));
  test("lifetime_too_long: a grant of more than 366 days", () => {
    expect(refusalOf(verifyGrant(fleet.grant("shop", { expires_at: FLEET_MADE_MS + GRANT_LIFETIME_MS_MAX }), fleet.root))).toBe("accepted");
    expect(refusalOf(verifyGrant(fleet.grant("shop", { expires_at: FLEET_MADE_MS + GRANT_LIFETIME_MS_MAX + 1 }), fleet.root))).toBe("lifetime_too_long");
  });
  test("payload_schema: no uses, or a name that is a path", () => {
    expect(() => fleet.grant("shop", { uses: 0 })).toThrow("payload_schema");
    expect(() => fleet.admission("shop", one, { name: "../box" })).toThrow("payload_schema");
  });
  test("wrong_type: a certificate offered as a grant", () => expect(judge({ grant: fleet.cert(one) })).toBe("wrong_type"));
  test("the token never leaves the box: the grant holds its public key only", () => {
    expect(Buffer.from(grant.payload, "base64").toString()).not.toContain(base64url(testToken("shop").seed));
    expect(testKey("x").seed).not.toEqual(testToken("shop").seed);
  });
});
