import { expect, test } from "bun:test";
import { TestBox } from "../../../shared/sim/test-box.ts";
import { testHub } from "../../../shared/sim/test-hub.ts";

test("limits that were hit are told once a look, with how often", async () => {
  using hub = await testHub({ limits: { syncsPerHostPerSecond: 1, pendingEnrollmentsMax: 0 } });
  const told = () =>
    hub.hub.store.read((db) =>
      db.all<{ data: string }>("test", "SELECT data FROM events WHERE kind = 'hub.limit-hit' ORDER BY seq").map(({ data }) => JSON.parse(data)),
    );
  await hub.setUp();
  await new TestBox(hub, "full").ask();
  await hub.agents.limitsHit.look();
  await hub.agents.limitsHit.look();
  expect(await told()).toEqual([{ limit: "pending_enrollments", count: 1 }]);
});
