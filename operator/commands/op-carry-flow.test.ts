import { expect, test } from "bun:test";
import { base64, utf8 } from "../../shared/core/bytes.ts";
import { TestBox } from "../../shared/sim/test-box.ts";
import { testKey } from "../../shared/sim/test-fleet.ts";
import { type TestHub, testHub } from "../../shared/sim/test-hub.ts";
import { answer, returnItem, testOp, type TestOp, upload } from "../../shared/sim/test-hub-op.ts";
import { testWorkstation, type TestWorkstation } from "../../shared/sim/test-workstation.ts";
import type { Envelope } from "../../shared/trust/envelope.ts";

/** What `felhom op import` does with a stick that came home, against the hub's own routes. */
async function scene(): Promise<{ readonly hub: TestHub; readonly desk: TestWorkstation; readonly web: TestBox; readonly db: TestBox; readonly op: TestOp }> {
  const hub = await testHub();
  const desk = await testWorkstation(hub);
  const web = await new TestBox(hub, "web").enroll();
  const db = await new TestBox(hub, "db").enroll();
  return { hub, desk, web, db, op: testOp(hub) };
}

async function stick(hub: TestHub, name: string, records: readonly Envelope[]): Promise<string> {
  const path = `${hub.world.dir}/${name}`;
  await Bun.write(path, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
  return path;
}

const show = async (desk: TestWorkstation, id: string) => JSON.parse((await desk.run(`job show ${id} -o json`)).stdout);
const returned = async (hub: TestHub, id: string): Promise<number> =>
  (await hub.ask("GET", `/api/v1/ops/${id}/returns`, { token: await hub.logIn() })).json.items.length;

test("receipts that verify are handed to the hub, and the job is over by them; again, and from the box itself, changes nothing", async () => {
  const { hub, desk, web, db, op } = await scene();
  using _hub = hub;
  await upload(hub, await hub.logIn(), op);
  const said = [
    answer(web, op, { state: "running", part: 0, stdout: base64(utf8("one\n")) }),
    answer(web, op, { part: 1, exit: 0, stdout: base64(utf8("two\n")) }),
    answer(db, op, { exit: 0 }),
  ];
  const path = await stick(hub, "home.jsonl", said);
  const dry = await desk.run(`op import ${path} --dry-run`);
  expect([dry.code, dry.stdout.includes("handed"), (await show(desk, op.id)).state]).toEqual([0, false, "signed"]);
  const ran = await desk.run(`op import ${path}`);
  expect(ran.stdout).toMatch(/web +✓ ok/);
  expect(ran.stdout).toContain("✓ 3 records handed to the hub");
  expect(ran.stdout + ran.stderr).toContain(`felhom job results ${op.id}`);
  expect([ran.code, (await show(desk, op.id)).state]).toEqual([0, "done"]);
  expect((await desk.run(`job results ${op.id}`)).stdout).toContain("two");
  const again = await desk.run(`op import ${path} -o json`);
  expect(JSON.parse(again.stdout)).toMatchObject({ kind: "ReceiptList", taken: 0, known: 3, opsMissing: [], refused: [], unverified: 0, dryRun: false });
  expect((await desk.run(`op import ${path}`)).stdout).toContain("0 records handed to the hub  the hub had all of them");
  await web.sync({ outbox: said.slice(0, 2).map((body, at) => returnItem(at + 1, body)) });
  expect(await returned(hub, op.id)).toBe(3);
});

test("a record that does not verify here is not handed on; the others are, and it is exit 7", async () => {
  const { hub, desk, web, db, op } = await scene();
  using _hub = hub;
  await upload(hub, await hub.logIn(), op);
  const forged = answer(db, op, {}, testKey("a stranger"));
  const ran = await desk.run(`op import ${await stick(hub, "home.jsonl", [forged, answer(web, op)])} -o json`);
  expect(ran.code).toBe(7);
  expect(JSON.parse(ran.stdout)).toMatchObject({ unverified: 1, taken: 1, known: 0, refused: [] });
  expect(await returned(hub, op.id)).toBe(1);
});

test("one that only the hub refuses is named with its code, and keeps no other out", async () => {
  const { hub, desk, web, db, op } = await scene();
  using _hub = hub;
  const token = await hub.logIn();
  await upload(hub, token, op);
  // It is revoked after the workstation has looked: the reply that it looked at is from before.
  desk.intercept(async (request, send) => {
    if (request.url.includes("/returns")) await hub.ask("POST", `/api/v1/hosts/${db.keys.hostId}/revoke`, { token, body: {} });
    return send();
  });
  const path = await stick(hub, "home.jsonl", [answer(db, op), answer(web, op)]);
  const ran = await desk.run(`op import ${path} -o json`);
  expect(JSON.parse(ran.stdout)).toMatchObject({ taken: 1, refused: [{ code: "host_revoked" }] });
  expect([ran.code, await returned(hub, op.id)]).toEqual([7, 1]);
});

test("answers to an op that the hub does not have are kept, and count when somebody brings the op", async () => {
  const { hub, desk, web, db, op } = await scene();
  using _hub = hub;
  const home = await stick(hub, "home.jsonl", [answer(web, op), answer(db, op)]);
  const ran = await desk.run(`op import ${home}`);
  expect(ran.stdout).toContain(`kept until their op comes, which the hub does not have  ${op.id}`);
  expect([ran.code, ran.stdout.includes("felhom op import FILE") || ran.stderr.includes("felhom op import FILE")]).toEqual([0, true]);
  const brought = await desk.run(`op import ${await stick(hub, "op.json", [op.envelope])}`);
  expect(brought.code).toBe(0);
  expect((await show(desk, op.id)).state).toBe("done");
});

test("more than one request holds", async () => {
  const { hub, desk, web, op } = await scene();
  using _hub = hub;
  await upload(hub, await hub.logIn(), op);
  const parts = Array.from({ length: 450 }, (_, part) => answer(web, op, { state: "running", part, stdout: base64(utf8(`${part} `.repeat(200))) }));
  const ran = await desk.run(`op import ${await stick(hub, "home.jsonl", [...parts, answer(web, op, { part: 450 })])} -o json`);
  expect(JSON.parse(ran.stdout)).toMatchObject({ taken: 451, known: 0 });
  // The other box has not answered.
  expect((await show(desk, op.id)).state).toBe("running");
});
