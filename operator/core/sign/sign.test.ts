import { describe, expect, test } from "bun:test";
import { testFleet, testHost, testBoxKey, valueOf } from "../../../shared/sim/test-fleet.ts";
import { OP_NOW_MS, opPayloadOf, opRoot } from "../../../shared/sim/test-op.ts";
import { readDraft } from "../../../shared/trust/op.ts";
import { spellKey } from "../../../shared/trust/keys.ts";
import type { OpItem } from "../../../shared/protocol/api/ops.ts";
import { base64, utf8 } from "../../../shared/core/bytes.ts";
import { opScreen } from "./op-screen.ts";
import { type PendingOp, readPending, riskOf } from "./pending-op.ts";
import { type KnownHost, nameToType, type TargetView } from "./target-view.ts";
import { DRAFTERS_MAX, EMPTY_MEMORY, EVIDENCE_OLD_MS, type Looking, remembered, unusualLines } from "./unusual.ts";

const fleet = testFleet();
const [one, two] = [testHost("one"), testHost("two")];
const known = (host = one, changes: Parameters<typeof fleet.identity>[1] = {}, at = OP_NOW_MS): KnownHost => ({
  identity: fleet.identity(host, { name: "kovacs-1", ...changes }),
  facts: { at, values: {} },
  report: undefined,
});
const view = (changes: Partial<TargetView> = {}): TargetView => ({
  meant: [known()],
  unknown: [],
  unverified: [],
  reads: { labels: [], facts: [], host: [] },
  looked: 3,
  ...changes,
});
const payload = opPayloadOf("agent.forget", { target: { host_id: one.hostId } });
const looking = (changes: Partial<Looking> = {}): Looking => ({
  payload,
  draftedBy: "key:anna",
  root: opRoot().payload,
  view: view(),
  standing: { role: "destroy", threshold: 2, signers: [], ignored: [] },
  memory: { hosts: {}, drafters: ["key:anna"] },
  nowMs: OP_NOW_MS,
  ...changes,
});

describe("what has to be typed", () => {
  const every = { expr: "true" };
  test("a host's name, a guest's, or how many there are", () => {
    expect(nameToType({ host_id: one.hostId }, view())).toBe("kovacs-1");
    expect(nameToType({ host_id: one.hostId, guest_id: "vm-104" }, view())).toBe("vm-104");
    expect(nameToType(every, view({ meant: [known(), known(two, { name: "kovacs-2" })] }))).toBe("2 hosts");
  });
  test("nothing will do where nobody can say whom it would reach", () => {
    expect(nameToType(every, view({ unverified: [{ name: "x", because: "y" }] }))).toBeUndefined();
    expect(nameToType(every, view({ unknown: [known(two)] }))).toBeUndefined();
    expect(nameToType(every, view({ meant: [] }))).toBeUndefined();
    expect(nameToType({ host_id: one.hostId, guest_id: "vm-104" }, view({ meant: [] }))).toBeUndefined();
  });
});

describe("what is unusual", () => {
  test("nothing, where everything is as it was", () => {
    const before = remembered(EMPTY_MEMORY, looking());
    expect(unusualLines(looking({ memory: before }))).toEqual([]);
  });
  test("a host that changed its key, and a name that is another host now", () => {
    const before = remembered(EMPTY_MEMORY, looking());
    const rekeyed = view({ meant: [known(one, { box_key: spellKey(testBoxKey("new").publicKey) })] });
    expect(unusualLines(looking({ memory: before, view: rekeyed }))).toEqual(["kovacs-1 changed the key for its secrets since you last signed for it"]);
    expect(unusualLines(looking({ memory: before, view: view({ meant: [known(two)] }) }))).toEqual([
      "kovacs-1 has another identity key than the host of that name that you last signed for",
    ]);
  });
  test("a drafter never seen here, a host that is silent, a long life, the whole fleet, nobody", () => {
    expect(unusualLines(looking({ draftedBy: "token:console" }))).toEqual(["the first op drafted by token:console that you see here"]);
    expect(unusualLines(looking({ view: view({ meant: [known(one, {}, OP_NOW_MS - EVIDENCE_OLD_MS - 1)] }) }))).toEqual([
      "kovacs-1 signed nothing in the last 1 d",
    ]);
    expect(unusualLines(looking({ payload: { ...payload, expires_at: payload.issued_at + 8 * 86_400_000 } }))).toEqual(["it stays valid for 8 d"]);
    expect(
      unusualLines(looking({ payload: { ...payload, target: { expr: "true" } }, view: view({ meant: [known(), known(two, { name: "b" })], looked: 2 }) })),
    ).toEqual(["it is aimed at every one of 2 hosts"]);
    expect(unusualLines(looking({ view: view({ meant: [] }) }))).toEqual(["no host that is known here is meant by it now; it holds for hosts to come"]);
  });
  test("what destroys a guest is said to have no verified backup, while none can be shown", () => {
    const destroys = opPayloadOf("guest.destroy");
    const target = { host_id: one.hostId, guest_id: "vm-104" };
    expect(unusualLines(looking({ payload: { ...destroys, target } }))).toEqual(["no verified backup of vm-104 is known here"]);
  });
  test("the memory is bounded, and the oldest drafter goes first", () => {
    let memory = EMPTY_MEMORY;
    for (let at = 0; at <= DRAFTERS_MAX; at += 1) memory = remembered(memory, { draftedBy: `token:${at}`, view: view() });
    expect([memory.drafters.length, memory.drafters.includes("token:0"), Object.keys(memory.hosts)]).toEqual([DRAFTERS_MAX, false, [one.hostId]]);
  });
});

test("on a narrow window the screen folds between words, and nothing passes the window's edge", () => {
  const draft = valueOf(readDraft(utf8(JSON.stringify(payload)), opRoot()));
  const terminal = { columns: 80, colour: false, unicode: true, outIsTty: true };
  const title = "OP 12 of 40  ";
  const screen = opScreen(
    {
      draft,
      standing: looking().standing,
      root: opRoot(),
      view: view(),
      unusual: unusualLines(looking({ draftedBy: "token:console" })),
      draftedBy: "token:console",
      note: undefined,
      nowMs: OP_NOW_MS,
      linesMax: 60,
      title,
    },
    terminal,
  );
  const lines = screen.split("\n");
  expect(lines.filter((line) => Bun.stringWidth(line) > 80)).toEqual([]);
  const words = screen.replace(/\s+/g, " ");
  for (const whole of [
    "OP 12 of 40 agent.forget",
    "that you would sign",
    "its secrets at rest, and stop the agent",
    "you would be number 1 of 2",
    "once per host",
  ])
    expect(words).toContain(whole);
});

const NOBODY: OpItem["counts"] = {
  queued: 0,
  waiting: 0,
  delivered: 0,
  running: 0,
  returned: 0,
  failed: 0,
  refused: 0,
  busy: 0,
  silent: 0,
  expired: 0,
  cancelled: 0,
};

describe("what waits", () => {
  const item = (of = payload, changes: Partial<OpItem> = {}): OpItem => ({
    op_id: of.id,
    kind: of.kind,
    state: "draft",
    payload: base64(utf8(JSON.stringify(of))),
    signatures: [],
    drafted_by: "key:anna",
    accepted_at: OP_NOW_MS,
    expires_at: of.expires_at,
    pacing: null,
    counts: NOBODY,
    total: 1,
    ...changes,
  });
  const read = (items: readonly OpItem[], nowMs = OP_NOW_MS): readonly PendingOp[] => readPending(items, opRoot(), nowMs);
  test("what can't be undone comes first, and what is over is apart", () => {
    const ping = opPayloadOf("ping");
    expect(read([item(ping), item()]).map((op) => (op.is === "open" ? op.draft.payload.kind : op.is))).toEqual(["agent.forget", "ping"]);
    expect(read([item()], payload.expires_at).map(({ is }) => is)).toEqual(["over"]);
  });
  test("what no host would ever take is not offered for a signature", () => {
    const codes = [{ issued_at: OP_NOW_MS + 86_400_000, expires_at: OP_NOW_MS + 90_000_000 }, { expires_at: payload.issued_at + 40 * 86_400_000 }].map(
      (changes) => read([item({ ...payload, ...changes })]).map((op) => (op.is === "refused" ? op.code : op.is)),
    );
    expect(codes).toEqual([["from_future"], ["lifetime_too_long"]]);
  });
  test("risk: low is what reads and what is the same when done twice", () => {
    const risk = (kind: Parameters<typeof opPayloadOf>[0]) => {
      const [op] = read([item(opPayloadOf(kind))]);
      return op?.is === "open" ? riskOf(op.draft) : "";
    };
    expect([risk("ping"), risk("converge.now"), risk("cmd.run"), risk("agent.forget")]).toEqual(["low", "low", "medium", "high"]);
  });
});
