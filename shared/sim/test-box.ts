/**
 * A box as a hub's tests see one: real keys, real signatures, the wire as protocol.md has it, and nothing of the agent. It says
 * what it is told to say, true or not.
 */
import { base64url, fromBase64, fromUtf8, utf8 } from "../core/bytes.ts";
import { type Envelope, sha256Hex as sha256Schema } from "../protocol/fields.ts";
import type { Report } from "../protocol/report.ts";
import type { OutboxItem, SyncRequest } from "../protocol/sync.ts";
import { sign, spellKey } from "../trust/keys.ts";
import { signFacts, signReport } from "../trust/report.ts";
import { loadSealedBox } from "../trust/sealed-box.ts";
import { type TestHost, testHost, valueOf } from "./test-fleet.ts";
import type { Reply, TestHub } from "./test-hub.ts";

export class TestBox {
  readonly hub: TestHub;
  readonly keys: TestHost;
  readonly name: string;
  credential = "";
  requestId = "";
  /** What it says next; change at will. */
  says: Omit<SyncRequest, "outbox" | "wait_ms">;

  constructor(hub: TestHub, label: string, keys: TestHost = testHost(label)) {
    this.hub = hub;
    this.keys = keys;
    this.name = label;
    this.says = {
      v: 1,
      protocol: 1,
      host_id: keys.hostId,
      boot_id: "boot-1",
      run: 1,
      agent_version: "0.1.0",
      have: { root: 1, cert: 1, bundle: 0, spec: 1 },
      hub_epoch: 1,
    };
  }

  /** Asks for a challenge and signs a statement; `changes` go into the statement before it is signed. */
  async statement(changes: Readonly<Record<string, unknown>> = {}): Promise<string> {
    const { json } = await this.hub.ask("POST", "/enroll/v1/challenges");
    return JSON.stringify({
      v: 1,
      purpose: "felhom enroll",
      challenge_id: json.challenge_id,
      nonce: json.nonce,
      name: this.name,
      signing_key: spellKey(this.keys.signingKey.publicKey),
      box_key: spellKey(this.keys.boxKey.publicKey),
      protocol: 1,
      agent_version: "0.1.0",
      facts: { os: "debian" },
      signed_at: this.hub.world.clock.wallMs(),
      ...changes,
    });
  }

  sign(statement: string): string {
    return base64url(sign(this.keys.signingKey, utf8(statement)));
  }

  /** The whole request. */
  async ask(options: { readonly admission?: Envelope; readonly changes?: Readonly<Record<string, unknown>> } = {}): Promise<Reply> {
    const statement = await this.statement(options.changes);
    const reply = await this.hub.ask("POST", "/enroll/v1/requests", {
      body: { v: 1, statement, signature: this.sign(statement), ...(options.admission === undefined ? {} : { admission: options.admission }) },
    });
    if (reply.status === 202) this.requestId = reply.json.request_id;
    return reply;
  }

  poll(requestId = this.requestId, signedAtMs = this.hub.world.clock.wallMs()): Promise<Reply> {
    const signature = base64url(sign(this.keys.signingKey, utf8(`felhom enroll poll\n${requestId}\n${signedAtMs}`)));
    return this.hub.ask("GET", `/enroll/v1/requests/${requestId}`, { headers: { "felhom-signed-at": String(signedAtMs), "felhom-signature": signature } });
  }

  /** Polls and opens what came. */
  async collect(): Promise<Reply> {
    const reply = await this.poll();
    if (reply.json.state !== "approved") return reply;
    const box = await loadSealedBox();
    const opened = valueOf(box.open(fromBase64(reply.json.sealed_credential) ?? new Uint8Array(), this.keys.boxKey));
    this.credential = JSON.parse(fromUtf8(opened)).credential;
    return reply;
  }

  approve(changes: Parameters<TestHub["fleet"]["cert"]>[1] = {}): Promise<Reply> {
    return this.hub.logIn().then((token) =>
      this.hub.ask("POST", `/api/v1/enrollments/${this.requestId}/approve`, {
        token,
        body: { host_cert: this.hub.fleet.cert(this.keys, { name: this.name, ...changes }) },
      }),
    );
  }

  /** From nothing to a credential, with an operator's yes. */
  async enroll(): Promise<this> {
    await this.hub.logIn();
    const asked = await this.ask();
    if (asked.status !== 202) throw new Error(`the request was refused: ${asked.text}`);
    const approved = await this.approve();
    if (approved.status !== 200) throw new Error(`the approval was refused: ${approved.text}`);
    await this.collect();
    return this;
  }

  /** One sync. `wait_ms` 0 unless given; a held one resolves when the hub answers it. */
  sync(extra: Partial<SyncRequest> = {}): Promise<Reply> {
    const body: SyncRequest = { ...this.says, wait_ms: 0, outbox: [], ...extra };
    return this.hub.ask("POST", "/agent/v1/sync", { token: this.credential, body });
  }

  report(changes: Partial<Report> = {}): Envelope {
    const counts = { unchanged: 3, changed: 0, drifted: 0, failed: 0, skipped: 0, waiting: 0 };
    return signReport(
      {
        v: 1,
        fleet_id: this.hub.fleet.root.payload.fleet_id,
        host_id: this.keys.hostId,
        created_at: this.hub.world.clock.wallMs(),
        bundle: 1,
        spec: 1,
        mode: "enforce",
        trigger: "interval",
        source: "database",
        duration_ms: 12,
        resources: [],
        plan_sha256: PLAN,
        ...changes,
        counts: { ...counts, ...changes.counts },
      },
      this.keys.signingKey,
    );
  }

  facts(facts: Readonly<Record<string, string>>): Envelope {
    return signFacts(
      { v: 1, fleet_id: this.hub.fleet.root.payload.fleet_id, host_id: this.keys.hostId, created_at: this.hub.world.clock.wallMs(), facts },
      this.keys.signingKey,
    );
  }
}

const PLAN = sha256Schema.parse("0".repeat(64));

export const reportItem = (seq: number, body: Envelope): OutboxItem => ({ seq, kind: "report", body });
