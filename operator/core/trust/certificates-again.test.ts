import { describe, expect, test } from "bun:test";
import type { HostDetail } from "../../../shared/protocol/api/hosts.ts";
import { testFleet, testHost, testKey, testRootPayload, valueOf } from "../../../shared/sim/test-fleet.ts";
import type { Envelope } from "../../../shared/trust/envelope.ts";
import { verifyHostCert } from "../../../shared/trust/host-identity.ts";
import { rootPayload } from "../../../shared/trust/payloads.ts";
import { verifyNextRoot } from "../../../shared/trust/root.ts";
import { signPayload } from "../../../shared/trust/sign-payload.ts";
import { nextCertificate, signCertificate } from "../fleet/certificate.ts";
import { allRoots, rootWithout, standingOf } from "./certificates-again.ts";

const fleet = testFleet();
const fresh = testKey("fresh");
const host = testHost("one");
const root2 = signPayload("root", rootPayload, testRootPayload([fleet.key, fresh], { version: 2 }), [fleet.key, fresh]);
const root3 = signPayload("root", rootPayload, testRootPayload([fresh], { version: 3 }), [fleet.key, fresh]);
const chain = [fleet.rootEnvelope, root2, root3];
const roots = allRoots(chain, fleet.root.hash);
const newest = valueOf(verifyNextRoot(valueOf(verifyNextRoot(fleet.root, root2)), root3));

const detail = (parts: { readonly cert?: Envelope; readonly grant?: Envelope; readonly admission?: Envelope }): HostDetail => ({
  host_id: host.hostId,
  name: "box",
  labels: {},
  health: "ok",
  contact: "up",
  last_seen_at: null,
  agent_version: null,
  bundle_wanted: 0,
  bundle_in_force: null,
  counts: null,
  spec_generation: 0,
  mode: "enforce",
  paused_until: null,
  note: null,
  created_at: 0,
  host_cert: parts.cert ?? null,
  grant: parts.grant ?? null,
  admission: parts.admission ?? null,
  report: null,
  report_received_at: null,
  facts: null,
  facts_received_at: null,
  metrics: {},
  spec: { v: 1, host_id: host.hostId, generation: 0, mode: "enforce" },
  boot_id: null,
  address: null,
});

describe("a certificate", () => {
  test("that counts is left alone", () => expect(standingOf(detail({ cert: fleet.cert(host) }), fleet.root, roots).is).toBe("counts"));
  test("whose signer was replaced is taken from the newest root that knew it, and counts when signed again", () => {
    const standing = standingOf(detail({ cert: fleet.cert(host, { serial: 4, labels: { role: "web" } }) }), newest, roots);
    expect(standing).toMatchObject({ is: "again", under: 2, identity: { serial: 4, labels: { role: "web" } } });
    if (standing.is !== "again") return;
    const signed = signCertificate(nextCertificate(standing.identity, { name: "box", labels: standing.identity.labels, nowMs: 5 }), [fresh]);
    expect(valueOf(verifyHostCert(signed, newest))).toMatchObject({ serial: 5, hostId: host.hostId, labels: { role: "web" } });
  });
  test("of a host that a grant let in becomes one of its own", () => {
    expect(standingOf(detail({ grant: fleet.grant("g", { labels: { site: "gyor" } }), admission: fleet.admission("g", host) }), newest, roots)).toMatchObject({
      is: "again",
      identity: { serial: 0, labels: { site: "gyor" } },
    });
  });
  test("that no root of this chain ever knew is never signed", () => {
    expect(standingOf(detail({ cert: testFleet("two").cert(host) }), newest, roots)).toMatchObject({ is: "unverified" });
    expect(standingOf(detail({ cert: fleet.cert(testHost("another")) }), newest, roots)).toMatchObject({ is: "unverified" });
    expect(standingOf(detail({}), newest, roots)).toMatchObject({ is: "unverified" });
  });
  test("that depends on a key which is about to go is found before it goes", () => {
    const now = valueOf(verifyNextRoot(fleet.root, root2));
    const without = rootWithout(now, fleet.key.keyId);
    expect(standingOf(detail({ cert: fleet.cert(host) }), without, [now]).is).toBe("again");
    const byFresh = signCertificate(nextCertificate(fleet.identity(host), { name: "box", labels: {}, nowMs: 5 }), [fresh]);
    expect(standingOf(detail({ cert: byFresh }), without, [now]).is).toBe("counts");
  });
});

test("a chain that does not begin at its pin gives no roots at all", () => {
  expect(() => allRoots(chain, "0".repeat(64))).toThrow("not the one that was pinned");
  expect(() => allRoots([fleet.rootEnvelope, root3], fleet.root.hash)).toThrow();
});
