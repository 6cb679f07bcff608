import { base64url, fromBase64, fromUtf8, utf8 } from "../core/bytes.ts";
import { findEnrollment, insertEnrollment } from "../../hub/edge/store/enrollments.ts";
import { sign, spellKey } from "../trust/keys.ts";
import { loadSealedBox } from "../trust/sealed-box.ts";
import { type TestHost, testHost, valueOf } from "./test-fleet.ts";
import type { TestHub } from "./test-hub.ts";

/** Puts a box's pending request into the hub's store, as the enrollment route does. Returns its id. */
export async function askToEnroll(hub: TestHub, label: string, host: TestHost = testHost(label)): Promise<string> {
  const statement = JSON.stringify({
    v: 1,
    purpose: "felhom enroll",
    name: label,
    signing_key: spellKey(host.signingKey.publicKey),
    box_key: spellKey(host.boxKey.publicKey),
  });
  const request_id = `e-${label}`;
  await hub.hub.store.write("test.enroll", (tx) =>
    insertEnrollment(tx.db, {
      request_id,
      host_id: host.hostId,
      state: "pending",
      name: label,
      signing_key: spellKey(host.signingKey.publicKey),
      box_key: spellKey(host.boxKey.publicKey),
      statement,
      signature: base64url(sign(host.signingKey, utf8(statement))),
      address: "198.51.100.9",
      created_at: hub.world.clock.wallMs(),
      decided_at: null,
      reason: null,
      sealed_credential: null,
      credential_sha256: null,
    }),
  );
  return request_id;
}

/** An approved host of this name: asked, and admitted with a certificate. */
export async function admitted(hub: TestHub, token: string, label: string, labels: Readonly<Record<string, string>> = {}): Promise<TestHost> {
  const host = testHost(label);
  const id = await askToEnroll(hub, label, host);
  const reply = await hub.ask("POST", `/api/v1/enrollments/${id}/approve`, { token, body: { host_cert: hub.fleet.cert(host, { name: label, labels }) } });
  if (reply.status !== 200) throw new Error(`approval was refused: ${reply.text}`);
  return host;
}

/** What the box finds in its approval: the credential, opened with its own key. */
export async function credentialOf(hub: TestHub, requestId: string, host: TestHost): Promise<string> {
  const row = await hub.hub.store.read((db) => findEnrollment(db, requestId));
  const box = await loadSealedBox();
  return JSON.parse(fromUtf8(valueOf(box.open(fromBase64(row?.sealed_credential ?? "") ?? new Uint8Array(), host.boxKey)))).credential;
}
