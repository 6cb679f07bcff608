/**
 * What version 1 of everything signed looks like, byte for byte: boxes and vaults of today must be read by every later felhom.
 * A failing line here means the format changed; formats only grow (protocol.md), so add a new golden and keep the old one read.
 */
import { expect, test } from "bun:test";
import { base64url, fromBase64, fromUtf8, utf8 } from "../core/bytes.ts";
import { sha256Hex } from "../protocol/fields.ts";
import { FLEET_MADE_MS, testBoxKey, testFleet, testHost, testToken, valueOf } from "../sim/test-fleet.ts";
import { verifyHeldBundle } from "./bundle.ts";
import { encodeEnvelope, parseEnvelope } from "./envelope.ts";
import { verifyAdmission, verifyHostCert } from "./host-identity.ts";
import { decodeJoinCode, encodeJoinCode } from "./join-code.ts";
import { signFacts, signReport, verifyHostSigned } from "./report.ts";
import { verifyFirstRoot } from "./root.ts";
import { loadSealedBox } from "./sealed-box.ts";
import { openSecrets, sealSecrets } from "./sealed-secrets.ts";
import golden from "./testdata/golden-v1.json";

const fleet = testFleet();
const one = testHost("one");
const identity = fleet.identity(one, { labels: { role: "web" } });
const common = { v: 1, fleet_id: identity.fleetId, host_id: one.hostId, created_at: FLEET_MADE_MS } as const;

async function produce(): Promise<Readonly<Record<keyof typeof golden, string>>> {
  const spell = (envelope: Parameters<typeof encodeEnvelope>[0]): string => fromUtf8(encodeEnvelope(envelope));
  const sealed = valueOf(
    sealSecrets({ box: await loadSealedBox(), identity, bundle: 3, secrets: { token: "s3cret" }, ephemeralSeed: testBoxKey("ephemeral").seed }),
  );
  return {
    root: spell(fleet.rootEnvelope),
    hostCert: spell(fleet.cert(one, { labels: { role: "web" } })),
    grant: spell(fleet.grant("g-shop", { labels: { site: "pecs" } })),
    admission: spell(fleet.admission("g-shop", one)),
    bundle: spell(fleet.bundle(3, { "fleet.yaml": "name: test\n" }, { secrets: { [one.hostId]: sealed } })),
    report: spell(
      signReport(
        {
          ...common,
          bundle: 3,
          spec: 1,
          mode: "enforce",
          trigger: "interval",
          source: "database",
          duration_ms: 12,
          counts: { unchanged: 1, changed: 1, drifted: 0, failed: 0, skipped: 0, waiting: 0 },
          resources: [{ id: "file//etc/motd", outcome: "changed", reason: "content differs" }],
          plan_sha256: sha256Hex.parse("0".repeat(64)),
        },
        one.signingKey,
      ),
    ),
    facts: spell(signFacts({ ...common, facts: { os: { family: "debian" }, memory_bytes: 8_000_000_000 } }, one.signingKey)),
    joinCode: encodeJoinCode({
      fleetId: identity.fleetId,
      rootHash: fleet.root.hash,
      pins: [base64url(testBoxKey("pin").publicKey)],
      token: testToken("g-shop").seed,
    }),
  };
}

test("every format is written as version 1 was", async () => {
  expect(await produce()).toEqual(golden);
});

test("version 1 of every format is read", async () => {
  const read = (text: string) => valueOf(parseEnvelope(utf8(text)));
  const root = valueOf(verifyFirstRoot(read(golden.root), valueOf(decodeJoinCode(golden.joinCode)).rootHash));
  const host = valueOf(verifyHostCert(read(golden.hostCert), root));
  expect(valueOf(verifyAdmission({ grant: read(golden.grant), admission: read(golden.admission), root })).labels).toEqual({ site: "pecs" });
  const bundle = valueOf(verifyHeldBundle({ envelope: read(golden.bundle), root }));
  expect(valueOf(openSecrets({ box: await loadSealedBox(), identity: host, boxKey: one.boxKey, bundle }))).toEqual({ token: "s3cret" });
  expect(fromBase64(bundle.secrets[one.hostId] ?? "")?.byteLength).toBe(512 + 48);
  expect(valueOf(verifyHostSigned("report", read(golden.report), host)).counts.changed).toBe(1);
  expect(valueOf(verifyHostSigned("facts", read(golden.facts), host)).facts["memory_bytes"]).toBe(8_000_000_000);
});
