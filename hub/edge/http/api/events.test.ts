import { expect, test } from "bun:test";
import { admitted } from "../../../../shared/sim/test-enrollment.ts";
import { type TestHub, testHub } from "../../../../shared/sim/test-hub.ts";
import { FOLLOWERS_MAX } from "../../events/event-feed.ts";
import { appendEvent } from "../../store/events.ts";

const kinds = (items: readonly { kind: string }[]): string[] => items.map(({ kind }) => kind);
const happen = (hub: TestHub, note: string) =>
  hub.hub.store.write("test.event", (tx) => appendEvent(tx.db, { at: hub.world.clock.wallMs(), kind: "agent.event", data: { note } }));

/** Reads a stream until `done` says that it has seen enough, moving time on while nothing comes. */
async function follow(hub: TestHub, response: Response, done: (text: string) => boolean, stepMs = 1_000): Promise<string> {
  const reader = response.body?.getReader();
  let text = "";
  for (let steps = 0; reader !== undefined && !done(text) && steps < 200; steps += 1) {
    const next = reader.read();
    let came = false;
    void next.then(() => (came = true));
    for (let turn = 0; turn < 20 && !came; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    for (let tick = 0; tick < 100 && !came; tick += 1) {
      await hub.world.clock.advance(stepMs);
      for (let turn = 0; turn < 20 && !came; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    }
    const { done: ended, value } = await next;
    if (ended) return `${text}[end]`;
    text += new TextDecoder().decode(value);
  }
  await reader?.cancel();
  return text;
}

test("events are paged newest first, or oldest first after a sequence, by kind and host", async () => {
  using hub = await testHub();
  const token = await hub.logIn();
  const { hostId } = await admitted(hub, token, "web-1");
  for (const note of ["a", "b", "c"]) await happen(hub, note);
  const all = (await hub.ask("GET", "/api/v1/events", { token })).json.items;
  expect(kinds(all)).toEqual(["agent.event", "agent.event", "agent.event", "host.approved", "root.rotated"]);
  expect(kinds((await hub.ask("GET", "/api/v1/events?kind=host.approved,root.rotated", { token })).json.items)).toEqual(["host.approved", "root.rotated"]);
  expect(kinds((await hub.ask("GET", `/api/v1/events?host=${hostId}`, { token })).json.items)).toEqual(["host.approved"]);
  const notes: string[] = [];
  for (let path: string | undefined = "/api/v1/events?since=2&limit=1"; path !== undefined; ) {
    const { json } = await hub.ask("GET", path, { token });
    notes.push(...json.items.map((item: { data: { note: string } }) => item.data.note));
    path = json.next === undefined ? undefined : `/api/v1/events?since=2&limit=1&cursor=${json.next}`;
  }
  expect(notes).toEqual(["a", "b", "c"]);
  for (const bad of ["kind=nothing", "since=-1", "since=1.5", "host=web-1", "limit=0", "limit=501", "cursor=x"])
    expect((await hub.ask("GET", `/api/v1/events?${bad}`, { token })).status).toBe(400);
});

test("a stream tells what happens, whoever wrote it, and resumes after the last id", async () => {
  using hub = await testHub();
  const token = await hub.token("viewer");
  const stream = await hub.fetch("GET", "/api/v1/events/stream", { token });
  expect(stream.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const heard = follow(hub, stream, (text) => text.includes("third"));
  for (const note of ["first", "second", "third"]) await happen(hub, note);
  const text = await heard;
  expect(text).toStartWith('retry: 3000\nid: 1\nevent: opened\ndata: {"seq":1}\n\n');
  expect([...text.matchAll(/^id: (\d+)\nevent: agent\.event\ndata: (.*)$/gm)].map((match) => JSON.parse(match[2] ?? "").data.note)).toEqual([
    "first",
    "second",
    "third",
  ]);
  const firstId = /^id: (\d+)\nevent: agent/m.exec(text)?.[1] ?? "";
  const resumed = await follow(hub, await hub.fetch("GET", "/api/v1/events/stream", { token, headers: { "last-event-id": firstId } }), (seen) =>
    seen.includes("third"),
  );
  expect([...resumed.matchAll(/"note":"(\w+)"/g)].map((match) => match[1])).toEqual(["second", "third"]);
  expect((await hub.ask("GET", "/api/v1/events/stream", { token, headers: { "last-event-id": "x" } })).status).toBe(400);
});

test("a follower from before a restore goes on with what comes next, though the numbers are lower", async () => {
  using hub = await testHub();
  const token = await hub.token("viewer");
  const heard = follow(hub, await hub.fetch("GET", "/api/v1/events/stream", { token, headers: { "last-event-id": "999999" } }), (text) =>
    text.includes("next"),
  );
  await happen(hub, "next");
  expect(await heard).toContain('"note":"next"');
});

test("a quiet stream says every fifteen seconds that it lives", async () => {
  using hub = await testHub();
  const token = await hub.token("viewer");
  const started = hub.world.clock.monoMs();
  const text = await follow(hub, await hub.fetch("GET", "/api/v1/events/stream", { token }), (seen) => seen.split(": still here").length > 2);
  expect(text).toContain(": still here\n\n");
  expect(hub.world.clock.monoMs() - started).toBeWithin(30_000, 45_001);
});

test("attack 86: a revoked token stops seeing within five seconds", async () => {
  using hub = await testHub();
  const admin = await hub.logIn();
  const { id, token } = (await hub.ask("POST", "/api/v1/tokens", { token: admin, body: { name: "eyes", role: "viewer" } })).json;
  const stream = await hub.fetch("GET", "/api/v1/events/stream", { token });
  await hub.ask("DELETE", `/api/v1/tokens/${id}`, { token: admin });
  await hub.world.clock.advance(5_000);
  await happen(hub, "secret");
  const text = await follow(hub, stream, (seen) => seen.includes("[end]"));
  expect(text).toEndWith("[end]");
  expect(text).not.toContain("secret");
});

test("H13: a hub that stops ends its streams within a second", async () => {
  using hub = await testHub();
  const stream = await hub.fetch("GET", "/api/v1/events/stream", { token: await hub.token("viewer") });
  const text = follow(hub, stream, (seen) => seen.includes("[end]"), 100);
  const started = hub.world.clock.monoMs();
  hub.hub.courier.stop();
  expect(await text).toEndWith("[end]");
  expect(hub.world.clock.monoMs() - started).toBeLessThanOrEqual(1_100);
});

test("followers are bounded, and one that leaves makes room", async () => {
  using hub = await testHub();
  const token = await hub.token("viewer");
  const open = () => hub.fetch("GET", "/api/v1/events/stream", { token });
  const streams = await Promise.all(Array.from({ length: FOLLOWERS_MAX }, open));
  expect((await open()).status).toBe(503);
  await streams[0]?.body?.cancel();
  expect((await open()).status).toBe(200);
});
