/**
 * A box that is enrolled in a test fleet without any hub: identity, membership and documents on disk, as an enrollment leaves them.
 * Ops come to it by file, through the same `offer` as by any other carrier. For tests in this process and for real ones.
 */
import { base32, base64url, fromBase64, fromUtf8, hex, utf8 } from "../core/bytes.ts";
import { sha256Hex } from "../core/sha256.ts";
import { NO_DOCUMENTS, writeBoth } from "../../agent/edge/desired/documents.ts";
import { Desk } from "../../agent/edge/desk.ts";
import { Operations } from "../../agent/edge/ops/operations.ts";
import { AgentStore } from "../../agent/edge/store/agent-store.ts";
import { prepareDataDir } from "../../agent/edge/store/data-dir.ts";
import { writeMembership } from "../../agent/edge/store/membership.ts";
import { WorkerClient } from "../../agent/edge/worker/worker-client.ts";
import { paths } from "../../agent/core/desired/paths.ts";
import { AGENT_DEFAULTS, type AgentSettings } from "../../agent/settings.ts";
import { isSha256 } from "../core/ids.ts";
import type { OpKindName } from "../ops/catalogue.ts";
import type { World } from "../ports/world.ts";
import { encodeEnvelope, signEnvelope } from "../trust/envelope.ts";
import type { SigningKey } from "../trust/keys.ts";
import { verifyReturn } from "../trust/op.ts";
import type { OpPayload, ReturnPayload } from "../trust/payloads.ts";
import { type TestFleet, testFleet, type TestHost, testHost, valueOf } from "./test-fleet.ts";
import type { TestWorld } from "./test-world.ts";

export interface OpsBox {
  readonly dataDir: string;
  readonly fleet: TestFleet;
  readonly host: TestHost;
  /** A signed op for this box, as a file holds it. */
  op(
    kind: OpKindName,
    params?: Readonly<Record<string, unknown>>,
    changes?: Partial<OpPayload>,
    keys?: readonly SigningKey[],
  ): { readonly id: string; readonly bytes: Uint8Array };
}

/** Writes the box. `nowMs` dates its ops. */
export function makeOpsBox(world: World, dataDir: string, nowMs: () => number): OpsBox {
  const fleet = testFleet();
  const host = testHost("ops");
  prepareDataDir(world.files, world.self, dataDir);
  const at = paths(dataDir);
  for (const [path, seed] of [
    [at.signingKey, host.signingKey.seed],
    [at.boxKey, host.boxKey.seed],
  ] as const) {
    const handle = world.files.open("test", path, "exclusive", 0o600);
    handle.write(utf8(`${hex(seed)}\n`));
    handle.close();
  }
  const identity = fleet.identity(host);
  writeBoth(world, dataDir, () => ({ ...NO_DOCUMENTS, roots: [fleet.rootEnvelope], identity: { cert: fleet.cert(host, { name: "ops" }) } }));
  const rootHash = sha256Hex(fromBase64(fleet.rootEnvelope.payload) ?? new Uint8Array());
  if (!isSha256(rootHash)) throw new Error("a hash is a hash");
  writeMembership(world, dataDir, {
    v: 1,
    fleet_id: identity.fleetId,
    host_id: host.hostId,
    root_hash: rootHash,
    pins: [],
    urls: ["http://127.0.0.1:1"],
    credential: "test",
    enrolled_at: nowMs(),
  });
  return {
    dataDir,
    fleet,
    host,
    op: (kind, params = {}, changes = {}, keys = [fleet.key]) => {
      const payload: OpPayload = {
        v: 1,
        fleet_id: fleet.root.payload.fleet_id,
        id: `o-${base32(world.crypto.randomBytes(10))}`,
        kind,
        target: { host_id: host.hostId },
        params: { ...params },
        nonce: base64url(world.crypto.randomBytes(32)),
        issued_at: nowMs(),
        expires_at: nowMs() + 3_600_000,
        ...changes,
      };
      return { id: payload.id, bytes: encodeEnvelope(signEnvelope("op", utf8(JSON.stringify(payload)), keys)) };
    },
  };
}

export interface RunningOps {
  readonly box: OpsBox;
  readonly desk: Desk;
  readonly operations: Operations;
  /** Every answer in the outbox to this op, verified, in order. */
  answers(id: string): readonly ReturnPayload[];
  /** Lets time pass until the op's final answer is there. */
  final(id: string): Promise<ReturnPayload>;
  /** As a kill -9: what was in memory is gone, and nothing is said. */
  crash(): void;
}

/** The part of an agent that does ops, in this process. */
export async function startOps(world: TestWorld, box: OpsBox, changes: Partial<AgentSettings> = {}): Promise<RunningOps> {
  const settings: AgentSettings = {
    ...AGENT_DEFAULTS,
    dataDir: box.dataDir,
    socketPath: `${box.dataDir}/agent.sock`,
    factsDirs: [],
    diskReserveBytes: 0,
    ...changes,
  };
  const desk = new Desk(world, settings, new AgentStore(world, box.dataDir));
  desk.bootId = "boot-test";
  desk.run = 1;
  desk.store.open();
  const operations = new Operations(world, desk, new WorkerClient(world, settings.convergeTimeoutMs));
  await operations.open();
  const identity = box.fleet.identity(box.host);
  const answers = (id: string): readonly ReturnPayload[] =>
    desk.store
      .use((database) => database.all<{ body: string }>("test", "SELECT body FROM outbox WHERE kind = 'return' ORDER BY seq"))
      .map(({ body }) => valueOf(verifyReturn(JSON.parse(body), identity)))
      .filter((answer) => answer.op_id === id);
  return {
    box,
    desk,
    operations,
    answers,
    final: async (id) => {
      for (let turns = 0; turns < 4_000; turns += 1) {
        const found = answers(id).find(({ state }) => state !== "running");
        if (found !== undefined) return found;
        // Real programs take real time; everything else takes the world's.
        await new Promise((resolve) => setTimeout(resolve, 2));
        await world.clock.advance(20);
      }
      throw new Error(`no final answer to ${id}`);
    },
    crash: () => desk.store.close(),
  };
}

export const textOf = (base64Text: string | undefined): string => fromUtf8(fromBase64(base64Text ?? "") ?? new Uint8Array());
