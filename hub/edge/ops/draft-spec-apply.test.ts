import { describe, expect, test } from "bun:test";
import { fromBase64, fromUtf8 } from "../../../shared/core/bytes.ts";
import type { OutboxItem } from "../../../shared/protocol/sync.ts";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { type TestHub, testHub } from "../../../shared/sim/test-hub.ts";
import { signEnvelope } from "../../../shared/trust/envelope.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- wire JSON, as the test reads it
type Json = any;

const RETIRE = { retire: { from: "null", to: "true" } };
const awaits = (seq: number, generation: number, fields: unknown = RETIRE): OutboxItem => ({
  seq,
  kind: "event",
  body: { event: "spec.awaiting_signature", generation, fields: typeof fields === "string" ? fields : JSON.stringify(fields) },
});
const drafts = async (hub: TestHub, token: string): Promise<readonly Json[]> =>
  (await hub.ask("GET", "/api/v1/ops?state=draft,pending", { token })).json.items.map((item: Json) => ({
    ...item,
    said: JSON.parse(fromUtf8(fromBase64(item.payload) ?? new Uint8Array())),
  }));
const edit = (hub: TestHub, token: string, box: TestBox, generation: number, body: Readonly<Record<string, unknown>>) =>
  hub.ask("PUT", `/api/v1/hosts/${box.keys.hostId}/spec`, { token, body, headers: { "if-match": `"${generation}"` } });

async function boxAskedToRetire(hub: TestHub): Promise<{ readonly token: string; readonly box: TestBox }> {
  const token = await hub.logIn();
  const box = await new TestBox(hub, "web").enroll();
  await box.sync();
  expect((await edit(hub, token, box, 1, { mode: "monitor", retire: true })).json.item).toMatchObject({ generation: 2, retire: true });
  return { token, box };
}

describe("a box holds back the destructive part of its spec", () => {
  test("and the hub drafts the op for it: what differs, for that box and that generation, once however often it is said", async () => {
    using hub = await testHub();
    const { token, box } = await boxAskedToRetire(hub);
    await box.sync({ outbox: [awaits(1, 2), awaits(2, 2)] });
    const [draft, second] = await drafts(hub, token);
    expect(second).toBeUndefined();
    expect([draft.state, draft.kind, draft.drafted_by, draft.signatures]).toEqual(["draft", "spec.apply", `host:${box.keys.hostId}`, []]);
    expect(draft.said).toMatchObject({ target: { host_id: box.keys.hostId }, params: { generation: 2, fields: RETIRE } });
    const events = (await hub.ask("GET", "/api/v1/events?since=0&kind=op.drafted", { token })).json.items;
    expect(events.map((event: Json) => [event.host_name, event.data.op, event.data.class, event.data.needs])).toEqual([["web", "spec.apply", "destroy", 1]]);
  });

  test("and what its spec at the hub does not want is not drafted, whatever the box claims", async () => {
    using hub = await testHub();
    const { token, box } = await boxAskedToRetire(hub);
    const claims = [
      awaits(1, 3),
      awaits(2, 2, { retire: { from: "true", to: "null" } }),
      awaits(3, 2, { mode: { from: '"enforce"', to: '"monitor"' } }),
      awaits(4, 2, {}),
      awaits(5, 2, "not JSON"),
      awaits(6, 2, { retire: "true" }),
    ];
    expect((await box.sync({ outbox: claims })).json.acked_seq).toBe(6);
    expect(await drafts(hub, token)).toEqual([]);
  });

  test("and its next word drafts it anew when the draft has expired, but not while there is one, and not when somebody said no", async () => {
    using hub = await testHub();
    const { token, box } = await boxAskedToRetire(hub);
    await box.sync({ outbox: [awaits(1, 2)] });
    const [first] = await drafts(hub, token);
    await hub.world.clock.advance(6 * 86_400_000);
    await box.sync({ outbox: [awaits(2, 2)] });
    expect((await drafts(hub, await hub.logIn())).map(({ op_id }) => op_id)).toEqual([first.op_id]);
    await hub.world.clock.advance(2 * 86_400_000);
    const again = await hub.logIn();
    await box.sync({ outbox: [awaits(3, 2), awaits(4, 2)] });
    const fresh = (await drafts(hub, again)).filter(({ op_id }) => op_id !== first.op_id);
    expect(fresh.map(({ said }) => said.params.generation)).toEqual([2]);
    expect((await hub.ask("POST", `/api/v1/ops/${fresh[0].op_id}/cancel`, { token: again })).status).toBe(200);
    await box.sync({ outbox: [awaits(5, 2)] });
    expect((await drafts(hub, again)).filter(({ op_id }) => op_id !== first.op_id)).toEqual([]);
  });

  test("and once it is signed and on its way, another word drafts nothing", async () => {
    using hub = await testHub();
    const { token, box } = await boxAskedToRetire(hub);
    await box.sync({ outbox: [awaits(1, 2)] });
    const [draft] = await drafts(hub, token);
    const { keyid, sig } = signEnvelope("op", fromBase64(draft.payload) ?? new Uint8Array(), [hub.fleet.key]).signatures[0] ?? { keyid: "", sig: "" };
    expect((await hub.ask("POST", `/api/v1/ops/${draft.op_id}/signatures`, { token, body: { keyid, sig } })).status).toBe(200);
    await box.sync({ outbox: [awaits(2, 2)] });
    expect(await drafts(hub, token)).toEqual([]);
  });

  test("and the next edit takes the draft back; where it still wants the same, the new generation is drafted", async () => {
    using hub = await testHub();
    const { token, box } = await boxAskedToRetire(hub);
    await box.sync({ outbox: [awaits(1, 2)] });
    await edit(hub, token, box, 2, { mode: "enforce", retire: true });
    expect(await drafts(hub, token)).toEqual([]);
    await box.sync({ outbox: [awaits(2, 2), awaits(3, 3)] });
    expect((await drafts(hub, token)).map(({ said }) => said.params.generation)).toEqual([3]);
    await edit(hub, token, box, 3, { mode: "enforce" });
    expect(await drafts(hub, token)).toEqual([]);
  });
});
