/**
 * The operator of the simulation: holds the keys, sets the hub up, approves boxes, publishes, edits specs, relabels hosts and
 * rotates the root, through the same client code as the CLI. What he signs goes to the truth; what the hub confirms too.
 * A call that fails is given up, like a person does; the next round tries what is still missing.
 */
import { base64url, utf8 } from "../../core/bytes.ts";
import { isFault } from "../../core/fault.ts";
import { isFleetId, isHostId, isSha256 } from "../../core/ids.ts";
import { sha256, sha256Hex } from "../../core/sha256.ts";
import {
  approveEnrollment,
  createChallenge,
  createSession,
  editSpec,
  getHost,
  getStatus,
  listEnrollments,
  listHosts,
  missingBlobs,
  setUp,
  take,
  uploadBlob,
  uploadBundle,
  uploadCertificate,
  uploadGrant,
  uploadRoot,
} from "../../../operator/edge/hub-api.ts";
import { HubConnection } from "../../../operator/edge/hub-connection.ts";
import { assert } from "../../core/assert.ts";
import type { Rng } from "../../ports/rng.ts";
import type { World } from "../../ports/world.ts";
import { enrollStatement } from "../../protocol/enroll.ts";
import type { Envelope } from "../../protocol/fields.ts";
import { grantIdOf } from "../../trust/grant-id.ts";
import { encodeJoinCode } from "../../trust/join-code.ts";
import { sign, type SigningKey, signingKeyFromSeed } from "../../trust/keys.ts";
import { type BundlePayload, bundlePayload, grantPayload, hostCertPayload, rootPayload, type RootPayload } from "../../trust/payloads.ts";
import { signPayload } from "../../trust/sign-payload.ts";
import type { SimMachine } from "../sim-machine.ts";
import { HUB_PIN } from "./hub-tls.ts";
import { fleetFiles } from "./fleet-files.ts";
import { type Incident, OpsDesk } from "./ops-desk.ts";
import type { Truth } from "./truth.ts";

export const HUB_URL = "https://hub:8443";
const DAY_MS = 86_400_000;
const TIMEOUT_MS = 20_000;
const NEVER = new AbortController().signal;
const FLEET_ID = "f-simulatedfleetaa";

export class SimOperator {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #truth: Truth;
  readonly #readSetupToken: () => string | undefined;
  readonly #isKnownBox: (signingKey: string) => boolean;
  readonly #ops: OpsDesk;
  #token: string | undefined;
  #rootKey: SigningKey;
  #publishKey: SigningKey;
  readonly #grantToken: SigningKey;
  /** Signed and not confirmed yet. */
  #pendingRoot: Envelope | undefined;
  #pendingBundle: { readonly envelope: Envelope; readonly payload: BundlePayload; readonly files: Readonly<Record<string, string>> } | undefined;
  readonly #pendingCerts = new Map<string, Envelope>();
  #hasFleet = false;
  #hasGrant = false;
  #busy = false;
  #mustPublish = false;
  calls = 0;

  constructor(options: {
    readonly machine: SimMachine;
    readonly rng: Rng;
    readonly truth: Truth;
    readonly readSetupToken: () => string | undefined;
    readonly isKnownBox: (signingKey: string) => boolean;
  }) {
    this.#world = options.machine.start("operator").world;
    this.#rng = options.rng;
    this.#truth = options.truth;
    this.#readSetupToken = options.readSetupToken;
    this.#isKnownBox = options.isKnownBox;
    this.#rootKey = this.#newKey("root");
    this.#publishKey = this.#newKey("publish");
    this.#grantToken = this.#newKey("grant");
    this.#signRoot();
    assert(isFleetId(FLEET_ID), "the fleet's id is well-formed");
    this.#ops = new OpsDesk({ world: this.#world, rng: this.#rng.fork("ops"), truth: this.#truth.ops, fleetId: FLEET_ID, key: this.#rootKey });
  }

  get isReady(): boolean {
    return this.#hasFleet && this.#hasGrant;
  }

  joinCode(withToken: boolean): string {
    const first = this.#truth.roots[0];
    assert(first !== undefined && isFleetId(FLEET_ID), "the fleet has its first root");
    const rootHash = sha256Hex(Buffer.from(first.envelope.payload, "base64"));
    assert(isSha256(rootHash), "a hash is a hash");
    return encodeJoinCode({ fleetId: FLEET_ID, rootHash, pins: [HUB_PIN], ...(withToken ? { token: this.#grantToken.seed } : {}) });
  }

  /** Everything that is still to be done with the hub, once. */
  async round(): Promise<void> {
    await this.#try(async (hub) => {
      await this.#ensureFleet(hub);
      if (this.#pendingRoot !== undefined) await this.#uploadRoot(hub, this.#pendingRoot);
      if (this.#mustPublish) this.#signBundle();
      if (this.#pendingBundle !== undefined) await this.#uploadBundle(hub);
      await this.#uploadCerts(hub);
      await this.#approveAll(hub);
    });
  }

  /** Signs the next bundle; it reaches the hub now or in a later round. */
  async publish(): Promise<void> {
    if (this.#pendingBundle === undefined && this.#pendingRoot === undefined && this.#hasFleet) this.#signBundle();
    await this.round();
  }

  #signBundle(): void {
    const version = this.#truth.bundles.size + 1;
    const motd = `bundle ${version} ${this.#rng.int(1_000_000)}\n`;
    const extra = this.#rng.int(2) === 0;
    const files = fleetFiles({ motd, extra });
    const nowMs = this.#world.clock.wallMs();
    assert(isFleetId(FLEET_ID), "the fleet's id is well-formed");
    const payload: BundlePayload = {
      v: 1,
      fleet_id: FLEET_ID,
      version,
      created_at: nowMs,
      expires_at: nowMs + 90 * DAY_MS,
      message: `version ${version}`,
      files: Object.entries(files).map(([path, text]) => fileEntry(path, text)),
      secrets: {},
    };
    const envelope = signPayload("bundle", bundlePayload, payload, [this.#publishKey]);
    this.#truth.bundles.set(version, { payload, envelope, motd, extra });
    this.#pendingBundle = { envelope, payload, files };
    this.#mustPublish = false;
  }

  /** A new root, with a new key to publish with every other time. */
  async rotateRoot(): Promise<void> {
    if (this.#pendingRoot !== undefined || this.#pendingBundle !== undefined || !this.#hasFleet) return this.round();
    if (this.#rng.int(2) === 0) {
      this.#publishKey = this.#newKey(`publish ${this.#truth.roots.length}`);
      // What the old key signed does not verify any more, and boxes say so: it has to be signed anew.
      this.#mustPublish = this.#truth.bundles.size > 0;
    }
    this.#signRoot();
    await this.round();
  }

  async editSpec(): Promise<void> {
    await this.#try(async (hub) => {
      const hosts = await take(listHosts(hub));
      const host = hosts[this.#rng.int(Math.max(1, hosts.length))];
      if (host === undefined) return;
      const { spec } = await getHost(hub, host.host_id);
      const edited = await editSpec(hub, host.host_id, spec.generation, {
        mode: this.#rng.int(4) === 0 ? "monitor" : "enforce",
        interval_s: 600 + this.#rng.int(1_800),
      });
      this.#truth.ackedSpecs.set(host.host_id, edited.generation);
    });
  }

  /** Signs so many new ops, and brings to the hub what it does not have yet. */
  async operate(count: number, incidents: readonly Incident[]): Promise<void> {
    this.#ops.sign(count, [...this.#truth.certs.keys()].sort());
    this.#ops.recover(incidents);
    await this.#try((hub) => this.#ops.round(hub));
  }

  /** Puts every host back to enforcing, so that quiet means equal. */
  async enforceAll(): Promise<void> {
    await this.#try(async (hub) => {
      for (const host of await take(listHosts(hub))) {
        const { spec } = await getHost(hub, host.host_id);
        if (spec.mode === "enforce" && spec.interval_s === 900) continue;
        const edited = await editSpec(hub, host.host_id, spec.generation, { mode: "enforce", interval_s: 900 });
        this.#truth.ackedSpecs.set(host.host_id, edited.generation);
      }
    });
  }

  async relabel(): Promise<void> {
    await this.#try(async (hub) => {
      const known = [...this.#truth.certs.keys()].sort();
      const hostId = known[this.#rng.int(Math.max(1, known.length))];
      const last = hostId === undefined ? undefined : this.#truth.certs.get(hostId)?.at(-1);
      if (hostId === undefined || last === undefined) return;
      if (!this.#pendingCerts.has(hostId))
        this.#pendingCerts.set(hostId, this.#cert(hostId, last.serial + 1, last.signingKey, last.boxKey, `box-${hostId.slice(2, 8)}`));
      await this.#uploadCerts(hub);
    });
  }

  async #uploadCerts(hub: HubConnection): Promise<void> {
    for (const [hostId, envelope] of this.#pendingCerts) {
      await uploadCertificate(hub, hostId, envelope).catch(ignoreConflict);
      this.#pendingCerts.delete(hostId);
    }
  }

  async #try(body: (hub: HubConnection) => Promise<void>): Promise<void> {
    // One thing at a time, as a person does.
    if (this.#busy) return;
    this.#busy = true;
    this.calls += 1;
    try {
      if (this.#hasFleet && this.#token === undefined) await this.#logIn();
      await body(this.#hub());
    } catch (error) {
      if (!isFault(error)) throw error;
      if (error.code === "unauthenticated") this.#token = undefined;
    } finally {
      this.#busy = false;
    }
  }

  #hub(): HubConnection {
    return new HubConnection(this.#world, { url: HUB_URL, pins: [HUB_PIN], token: this.#token, timeoutMs: TIMEOUT_MS, stop: NEVER });
  }

  async #logIn(): Promise<void> {
    const hub = this.#hub();
    const { challenge_id, nonce } = await createChallenge(hub);
    const key = this.#rootKey;
    const text = `felhom login\n${FLEET_ID}\n${challenge_id}\n${nonce}\n${key.keyId}`;
    const { token } = await createSession(hub, { challenge_id, key_id: key.keyId, signature: base64url(sign(key, utf8(text))) });
    this.#token = token;
  }

  async #ensureFleet(hub: HubConnection): Promise<void> {
    const first = this.#truth.roots[0];
    if (!this.#hasFleet && first !== undefined) {
      const setup_token = this.#readSetupToken();
      if (setup_token !== undefined) await setUp(hub, { setup_token, root: first.envelope }).catch(ignoreConflict);
      await this.#logIn();
      const status = await getStatus(this.#hub());
      this.#hasFleet = true;
      this.#truth.acked.root = Math.max(this.#truth.acked.root, status.root_version);
      if (this.#pendingRoot === first.envelope && this.#hasFleet) this.#pendingRoot = undefined;
    }
    if (!this.#hasGrant && this.#hasFleet) {
      await uploadGrant(this.#hub(), this.#grant()).catch(ignoreConflict);
      this.#hasGrant = true;
    }
  }

  async #uploadRoot(hub: HubConnection, root: Envelope): Promise<void> {
    const version = this.#truth.roots.length;
    if (version > 1) {
      if ((await getStatus(hub)).root_version < version) await uploadRoot(hub, root);
      this.#truth.acked.root = version;
    }
    this.#pendingRoot = undefined;
  }

  async #uploadBundle(hub: HubConnection): Promise<void> {
    const pending = this.#pendingBundle;
    if (pending === undefined) return;
    const texts = new Map(Object.values(pending.files).map((text) => [sha256Hex(utf8(text)), utf8(text)]));
    for (const hash of await missingBlobs(hub, [...texts.keys()])) {
      const bytes = texts.get(hash);
      if (bytes !== undefined) await uploadBlob(hub, hash, bytes);
    }
    const { version } = pending.payload;
    if ((await getStatus(hub)).bundle < version) await uploadBundle(hub, pending.envelope);
    this.#truth.acked.bundle = version;
    this.#pendingBundle = undefined;
  }

  async #approveAll(hub: HubConnection): Promise<void> {
    if (!this.#hasFleet) return;
    for (const request of await take(listEnrollments(hub))) {
      const statement = enrollStatement.parse(JSON.parse(request.statement));
      // A person compares five words with the box's screen; here the box's own key file stands for the screen.
      if (!this.#isKnownBox(statement.signing_key)) continue;
      // An answer that was cut: the same certificate again, not another one.
      const certificate =
        this.#truth.certs.get(request.host_id)?.at(-1)?.envelope ?? this.#cert(request.host_id, 1, statement.signing_key, statement.box_key, statement.name);
      await approveEnrollment(hub, request.request_id, certificate).catch(ignoreConflict);
    }
  }

  #cert(hostId: string, serial: number, signingKey: string, boxKey: string, name: string): Envelope {
    assert(isHostId(hostId) && isFleetId(FLEET_ID), "ids are well-formed");
    const created_at = this.#world.clock.wallMs();
    const payload = {
      v: 1,
      fleet_id: FLEET_ID,
      host_id: hostId,
      serial,
      name,
      labels: { serial: String(serial) },
      signing_key: signingKey,
      box_key: boxKey,
      created_at,
    } as const;
    const envelope = signPayload("host-cert", hostCertPayload, payload, [this.#rootKey]);
    this.#truth.certs.set(hostId, [...(this.#truth.certs.get(hostId) ?? []), { serial, envelope, signingKey, boxKey }]);
    return envelope;
  }

  #grant(): Envelope {
    assert(isFleetId(FLEET_ID), "ids are well-formed");
    const nowMs = this.#world.clock.wallMs();
    const payload = {
      v: 1,
      fleet_id: FLEET_ID,
      grant_id: grantIdOf(this.#grantToken.publicKey),
      token_key: base64url(this.#grantToken.publicKey),
      labels: { from: "grant" },
      uses: 1_000,
      created_at: nowMs,
      expires_at: nowMs + 300 * DAY_MS,
    } as const;
    return signPayload("grant", grantPayload, payload, [this.#rootKey]);
  }

  #signRoot(): void {
    const nowMs = this.#world.clock.wallMs();
    const version = this.#truth.roots.length + 1;
    const all = { keys: [this.#rootKey.keyId], threshold: 1 };
    assert(isFleetId(FLEET_ID), "ids are well-formed");
    const payload: RootPayload = {
      v: 1,
      fleet_id: FLEET_ID,
      fleet_name: "simulated",
      version,
      created_at: nowMs,
      expires_at: nowMs + 700 * DAY_MS,
      keys: Object.fromEntries([this.#rootKey, this.#publishKey].map((key) => [key.keyId, { public: base64url(key.publicKey), label: "sim" }])),
      roles: { root: all, admit: all, publish: { keys: [this.#publishKey.keyId], threshold: 1 }, operate: all, destroy: all, release: all },
      hub_pins: [HUB_PIN],
    };
    const envelope = signPayload("root", rootPayload, payload, [this.#rootKey]);
    this.#truth.roots.push({ payload, envelope });
    this.#pendingRoot = envelope;
  }

  #newKey(label: string): SigningKey {
    return signingKeyFromSeed(sha256(utf8(`${label} ${this.#rng.int(2 ** 31)}`)));
  }
}

function fileEntry(path: string, text: string): BundlePayload["files"][number] {
  const hash = sha256Hex(utf8(text));
  assert(isSha256(hash), "a hash is a hash");
  return { path, mode: 0o644, sha256: hash, size: utf8(text).byteLength };
}

/** An earlier try that was cut got through after all. */
function ignoreConflict(error: unknown): void {
  if (!isFault(error, "conflict") && !isFault(error, "refused")) throw error;
}
