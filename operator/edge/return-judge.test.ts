import { expect, test } from "bun:test";
import type { HostId } from "../../shared/core/ids.ts";
import { realCrypto } from "../../shared/edge/crypto.ts";
import { sha256Hex } from "../../shared/core/sha256.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { sha256Hex as sha256Schema } from "../../shared/protocol/fields.ts";
import { testFleet, testHost } from "../../shared/sim/test-fleet.ts";
import type { HostIdentity } from "../../shared/trust/host-identity.ts";
import { verifySignature } from "../../shared/trust/keys.ts";
import { signReturn } from "../../shared/trust/op.ts";
import { refuse } from "../../shared/trust/verdict.ts";
import { AHEAD_MAX, type Judged, ReturnJudge } from "./return-judge.ts";

const fleet = testFleet();
const hosts = Array.from({ length: 40 }, (_, at) => testHost(`host ${at}`));
const op = { id: "o-aaaaaaaaaaaaaaaa", sha256: sha256Schema.parse(sha256Hex(utf8("an op"))) };
const byId = new Map<string, HostIdentity>(hosts.map((host) => [host.hostId, fleet.identity(host)]));
const stranger = testHost("stranger").hostId;
const identities = {
  of: (hostId: string) => {
    const value = byId.get(hostId);
    return Promise.resolve(value === undefined ? refuse("key_unknown", hostId) : ({ ok: true, value } as const));
  },
};

function item(at: number, changes: { readonly by?: number; readonly sha256?: typeof op.sha256; readonly host_id?: HostId } = {}) {
  const host = hosts[at % hosts.length];
  const signer = hosts[changes.by ?? at % hosts.length];
  if (host === undefined || signer === undefined) throw new Error("a host");
  const answer = { v: 1, fleet_id: fleet.root.payload.fleet_id, host_id: host.hostId, op_id: op.id, op_sha256: changes.sha256 ?? op.sha256, part: 0 } as const;
  const envelope = signReturn({ ...answer, state: "done", at: 1 }, signer.signingKey);
  return { seq: at + 1, host_id: changes.host_id ?? host.hostId, received_at: 1, envelope };
}

const failureOf = (work: Promise<void>): Promise<string> =>
  work.then(
    () => "none",
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

test("answers are handed on as they came, whichever signature was looked at first", async () => {
  const taken: Judged[] = [];
  const held: (() => void)[] = [];
  // The last that was asked for is done first.
  const verify = async (...asked: Parameters<typeof verifySignature>): Promise<boolean> => {
    await new Promise<void>((resolve) => held.unshift(resolve));
    return verifySignature(...asked);
  };
  const judge = new ReturnJudge({ crypto: { verify }, identities, op, take: (judged) => taken.push(judged) });
  for (let at = 0; at < 5; at += 1) await judge.hear(item(at));
  await judge.hear(item(5, { host_id: stranger }));
  expect(taken).toEqual([]);
  for (const release of held) {
    release();
    await Promise.resolve();
  }
  await judge.settled();
  expect(taken.map(({ item: { seq }, verdict }) => [seq, verdict.ok])).toEqual([
    [1, true],
    [2, true],
    [3, true],
    [4, true],
    [5, true],
    [6, false],
  ]);
});

test("what another host signed, what answers another op, and whom nobody vouches for is a refusal, and no end", async () => {
  const taken: string[] = [];
  const take = ({ verdict }: Judged): void => void taken.push(verdict.ok ? "ok" : verdict.refusal);
  const judge = new ReturnJudge({ crypto: realCrypto(), identities, op, take });
  await judge.hear(item(0, { by: 1 }));
  await judge.hear(item(0, { sha256: sha256Schema.parse(sha256Hex(utf8("another"))) }));
  await judge.hear(item(0, { host_id: stranger }));
  await judge.hear(item(0));
  await judge.settled();
  expect(taken).toEqual(["key_unknown", "op_mismatch", "key_unknown", "ok"]);
});

test("no more are looked at at once than there is room for", async () => {
  let open = 0;
  let most = 0;
  const ends: (() => void)[] = [];
  const verify = async (): Promise<boolean> => {
    open += 1;
    most = Math.max(most, open);
    await new Promise<void>((resolve) => ends.push(resolve));
    open -= 1;
    return true;
  };
  const judge = new ReturnJudge({ crypto: { verify }, identities, op, take: () => {} });
  const all = (async () => {
    for (let at = 0; at < 3 * AHEAD_MAX; at += 1) await judge.hear(item(at));
    await judge.settled();
  })();
  const over = { yet: false };
  void all.then(() => (over.yet = true));
  while (!over.yet) {
    for (const end of ends.splice(0)) end();
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(most).toBe(AHEAD_MAX);
});

test("whoever hears on is told what went wrong with one before", async () => {
  const judge = new ReturnJudge({
    crypto: realCrypto(),
    identities,
    op,
    take: ({ item: { seq } }) => {
      if (seq === 2) throw new Error("the screen is gone");
    },
  });
  for (let at = 0; at < 3; at += 1) await judge.hear(item(at));
  expect(await failureOf(judge.settled())).toBe("the screen is gone");
  expect(await failureOf(judge.hear(item(3)))).toBe("the screen is gone");
});

test("a look that fails is told in its turn, and is nobody's unhandled rejection", async () => {
  const taken: number[] = [];
  const verify = async (): Promise<boolean> => {
    throw new Error("no pool");
  };
  const judge = new ReturnJudge({ crypto: { verify }, identities, op, take: (judged) => void taken.push(judged.item.seq) });
  await judge.hear(item(0, { host_id: stranger }));
  for (let at = 1; at < 4; at += 1) await judge.hear(item(at)).catch(() => {});
  expect(await failureOf(judge.settled())).toBe("no pool");
  await new Promise((resolve) => setImmediate(resolve));
  expect(taken).toEqual([1]);
});
