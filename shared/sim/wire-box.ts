import { base64url, fromBase64, fromUtf8, utf8 } from "../core/bytes.ts";
import type { EnrollStatement } from "../protocol/enroll.ts";
import type { FactsReport, Report } from "../protocol/report.ts";
import type { SyncReply } from "../protocol/sync.ts";
import { sign, spellKey } from "../trust/keys.ts";
import { signFacts, signReport } from "../trust/report.ts";
import { loadSealedBox } from "../trust/sealed-box.ts";
import { enrollmentWords } from "../trust/words.ts";
import { testHost, valueOf, type TestHost } from "./test-fleet.ts";
import type { TestHub } from "./test-hub.ts";

/** A box that speaks the real wire to a `testHub`: enrolls, collects its credential, syncs, reports. It enforces nothing. */
export interface WireBox extends TestHost {
  readonly label: string;
  readonly requestId: string;
  readonly words: string;
  /** After approval. */
  collect(): Promise<void>;
  sync(
    outbox?: { readonly report?: Partial<Report>; readonly facts?: FactsReport["facts"]; readonly reportEnvelope?: unknown },
    have?: { readonly bundle?: number; readonly spec?: number },
  ): Promise<SyncReply>;
}

/** `label` chooses the keys; `name` is what the box calls itself. */
export async function wireBox(
  hub: TestHub,
  label: string,
  facts: EnrollStatement["facts"] = {
    "os.name": "debian",
    "os.version": "13",
    "kernel.arch": "x86_64",
    "memory.total_mb": "16384",
    "virtualisation.kind": "kvm",
  },
  name = label,
): Promise<WireBox> {
  const host = testHost(label);
  const challenge = (await hub.ask("POST", "/enroll/v1/challenges")).json;
  const statement = JSON.stringify({
    v: 1,
    purpose: "felhom enroll",
    challenge_id: challenge.challenge_id,
    nonce: challenge.nonce,
    name,
    signing_key: spellKey(host.signingKey.publicKey),
    box_key: spellKey(host.boxKey.publicKey),
    protocol: 1,
    agent_version: "0.1.0",
    facts,
    signed_at: hub.world.clock.wallMs(),
  } satisfies EnrollStatement);
  const asked = await hub.ask("POST", "/enroll/v1/requests", { body: { v: 1, statement, signature: base64url(sign(host.signingKey, utf8(statement))) } });
  if (asked.status >= 300) throw new Error(`enrollment was refused: ${asked.text}`);
  const requestId: string = asked.json.request_id;
  const state = { credential: "", seq: 0 };
  return {
    ...host,
    label,
    requestId,
    words: enrollmentWords(host.signingKey.publicKey, host.boxKey.publicKey).join("-"),
    collect: async () => {
      const at = String(hub.world.clock.wallMs());
      const signature = base64url(sign(host.signingKey, utf8(`felhom enroll poll\n${requestId}\n${at}`)));
      const reply = await hub.ask("GET", `/enroll/v1/requests/${requestId}`, { headers: { "felhom-signed-at": at, "felhom-signature": signature } });
      if (reply.json.state !== "approved") throw new Error(`not approved: ${reply.text}`);
      const opened = valueOf((await loadSealedBox()).open(fromBase64(reply.json.sealed_credential) ?? new Uint8Array(), host.boxKey));
      state.credential = JSON.parse(fromUtf8(opened)).credential;
    },
    sync: async ({ report, facts: newFacts, reportEnvelope } = {}, have = {}) => {
      const common = { v: 1, fleet_id: hub.fleet.root.payload.fleet_id, host_id: host.hostId, created_at: hub.world.clock.wallMs() } as const;
      const outbox = [
        ...(report === undefined ? [] : [{ seq: ++state.seq, kind: "report", body: signReport({ ...common, ...REPORT, ...report }, host.signingKey) }]),
        ...(reportEnvelope === undefined ? [] : [{ seq: ++state.seq, kind: "report", body: reportEnvelope }]),
        ...(newFacts === undefined ? [] : [{ seq: ++state.seq, kind: "facts", body: signFacts({ ...common, facts: newFacts }, host.signingKey) }]),
      ];
      const body = {
        v: 1,
        protocol: 1,
        host_id: host.hostId,
        boot_id: `boot-${label}`,
        run: 1,
        agent_version: "0.1.0",
        have: { root: 1, cert: 1, bundle: have.bundle ?? 0, spec: have.spec ?? 0 },
        hub_epoch: 0,
        wait_ms: 0,
        outbox,
      };
      const reply = await hub.ask("POST", "/agent/v1/sync", { token: state.credential, body });
      if (reply.status !== 200) throw new Error(`sync was refused: ${reply.text}`);
      return reply.json;
    },
  };
}

const REPORT = {
  bundle: 1,
  spec: 1,
  mode: "enforce",
  trigger: "interval",
  source: "database",
  duration_ms: 420,
  counts: { unchanged: 12, changed: 0, drifted: 0, failed: 0, skipped: 0, waiting: 0 },
  resources: [],
  plan_sha256: "0".repeat(64) as Report["plan_sha256"],
} as const satisfies Partial<Report>;
