import { expect, test } from "bun:test";
import { isFault } from "../../../shared/core/fault.ts";
import type { Database } from "../../../shared/ports/databases.ts";
import type { World } from "../../../shared/ports/world.ts";
import { admitted } from "../../../shared/sim/test-enrollment.ts";
import { testHub } from "../../../shared/sim/test-hub.ts";
import { testWorld } from "../../../shared/sim/test-world.ts";
import { hubEpoch } from "../store/meta.ts";
import { databasePath, MIGRATIONS } from "../store/open.ts";
import { removeTree } from "./copy-file.ts";
import { restoreBackup } from "./restore-backup.ts";
import { writeBackup } from "./write-backup.ts";

class Died extends Error {}

interface Dying {
  readonly world: World;
  readonly steps: () => number;
  readonly ops: ReadonlySet<string>;
}

/** A world that dies right before its n-th step on disk: from then on nothing works any more, so no clean-up runs either, as after a kill. */
function dyingWorld(world: World, dieAt: number): Dying {
  let steps = 0;
  const ops = new Set<string>();
  const gate = (op: unknown): void => {
    steps += 1;
    if (typeof op === "string") ops.add(op);
    if (steps >= dieAt) throw new Died(`at ${String(op)}`);
  };
  const gated = <T extends object>(target: T): T =>
    new Proxy(target, {
      get: (of, name) => {
        const member: unknown = Reflect.get(of, name);
        if (typeof member !== "function" || name === "close" || name === "release") return typeof member === "function" ? member.bind(of) : member;
        return (...given: readonly unknown[]) => {
          gate(given[0] instanceof Uint8Array ? String(name) : (given[0] ?? String(name)));
          const result: unknown = Reflect.apply(member, of, given);
          return typeof result === "object" && result !== null && "close" in result ? gated(result) : result;
        };
      },
    });
  const databases = {
    open: (op: string, path: string, options: Parameters<World["databases"]["open"]>[2]): Database => (
      gate(op), gated(world.databases.open(op, path, options))
    ),
  };
  return { world: { ...world, files: gated(world.files), databases }, steps: () => steps, ops };
}

const died = async (doing: Promise<unknown>): Promise<boolean> =>
  doing.then(
    () => false,
    (error: unknown) => {
      if (error instanceof Died || (isFault(error) && error.cause instanceof Died)) return true;
      throw error;
    },
  );

test("a restore that dies before any step on disk leaves the target absent, or whole under the raised epoch", async () => {
  using hub = await testHub();
  await admitted(hub, await hub.logIn(), "web");
  using out = testWorld();
  const from = `${out.dir}/b.tar`;
  await writeBackup(hub.world, { dataDir: hub.world.dir, to: from });
  const free = dyingWorld(hub.world, Number.POSITIVE_INFINITY);
  await restoreBackup(free.world, { from, dataDir: `${out.dir}/free` });
  expect(free.steps()).toBeGreaterThan(40);
  expect([...free.ops]).toEqual(
    expect.arrayContaining([
      "restore.staging",
      "restore.tar",
      "restore.check",
      "restore.open",
      "restore.prepare",
      "restore.sessions",
      "meta.write",
      "audit.append",
      "events.append",
      "restore.swap",
    ]),
  );
  const states = { absent: 0, whole: 0 };
  for (let dieAt = 1; dieAt <= free.steps(); dieAt += 1) {
    const dataDir = `${out.dir}/data`;
    const dying = dyingWorld(hub.world, dieAt);
    expect([dieAt, await died(restoreBackup(dying.world, { from, dataDir }))]).toEqual([dieAt, true]);
    if (out.files.stat("test", dataDir) === undefined) {
      states.absent += 1;
    } else {
      const db = out.databases.open("test", databasePath(dataDir), { migrations: MIGRATIONS });
      expect([dieAt, hubEpoch(db) > 1, db.check("test")]).toEqual([dieAt, true, "ok"]);
      db.close();
      states.whole += 1;
    }
    for (const left of [dataDir, `${dataDir}.restoring`]) removeTree(out.files, "test", left);
  }
  expect(states.absent).toBeGreaterThan(40);
  expect(states.whole).toBeGreaterThan(0);
}, 240_000);

test("a backup that dies before any step on disk has no name, or is whole", async () => {
  using hub = await testHub();
  await admitted(hub, await hub.logIn(), "web");
  using out = testWorld();
  const to = `${out.dir}/b.tar`;
  const free = dyingWorld(hub.world, Number.POSITIVE_INFINITY);
  await writeBackup(free.world, { dataDir: hub.world.dir, to });
  removeTree(out.files, "test", to);
  let whole = 0;
  for (let dieAt = 1; dieAt <= free.steps(); dieAt += 1) {
    await died(writeBackup(dyingWorld(hub.world, dieAt).world, { dataDir: hub.world.dir, to }));
    if (out.files.stat("test", to) !== undefined) {
      await restoreBackup(hub.world, { from: to, dataDir: `${out.dir}/data`, dryRun: true });
      whole += 1;
    }
    for (const left of out.files.list("test", out.dir)) removeTree(out.files, "test", `${out.dir}/${left}`);
  }
  expect(whole).toBeGreaterThan(0);
  expect(whole).toBeLessThan(free.steps());
}, 240_000);
