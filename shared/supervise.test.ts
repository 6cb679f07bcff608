import { expect, test } from "bun:test";
import { Fault } from "./core/fault.ts";
import type { Service } from "./service.ts";
import { testWorld } from "./sim/test-world.ts";
import { supervise } from "./supervise.ts";

const journal: string[] = [];
function service(name: string, life: (run: number, stop: AbortSignal) => Promise<void>): Service {
  let runs = 0;
  return {
    name,
    start: (stop) => {
      journal.push(`${name} starts`);
      return Promise.resolve({ done: life(++runs, stop).finally(() => journal.push(`${name} ends`)) });
    },
    health: () => ({ is: "healthy" }),
    metrics: () => [],
  };
}
const untilStopped = (_run: number, stop: AbortSignal) => new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve()));

test("services start in order and stop in reverse", async () => {
  journal.length = 0;
  using world = testWorld();
  const stop = new AbortController();
  const ended = supervise([service("a", untilStopped), service("b", untilStopped)], world, stop.signal);
  await new Promise<void>((resolve) => setImmediate(resolve));
  stop.abort();
  expect(await ended).toEqual({ because: "stopped" });
  expect(journal).toEqual(["a starts", "b starts", "b ends", "a ends"]);
});

test("a service that dies after it ran is started again", async () => {
  journal.length = 0;
  using world = testWorld();
  const stop = new AbortController();
  const again = Promise.withResolvers<void>();
  const ended = supervise(
    [
      service("a", async (run, signal) => {
        if (run === 1) throw new Error("first life");
        again.resolve();
        await untilStopped(run, signal);
      }),
    ],
    world,
    stop.signal,
  );
  await new Promise<void>((resolve) => setImmediate(resolve));
  await world.clock.advance(60_000);
  await again.promise;
  stop.abort();
  expect((await ended).because).toBe("stopped");
  expect(journal.filter((line) => line === "a starts")).toHaveLength(2);
});

test("a failed fsync ends the process instead of a restart", async () => {
  using world = testWorld();
  const ended = await supervise([service("a", () => Promise.reject(new Fault("disk_failed", "Cannot sync: EIO")))], world, new AbortController().signal);
  expect(ended).toMatchObject({ because: "failed", service: "a" });
});

test("a service that cannot start at all ends the process", async () => {
  using world = testWorld();
  const broken: Service = {
    name: "b",
    start: () => Promise.reject(new Fault("lock_held", "Cannot lock")),
    health: () => ({ is: "unknown", because: "new" }),
    metrics: () => [],
  };
  expect((await supervise([broken], world, new AbortController().signal)).because).toBe("failed");
});

test("what to run next is in the log when a process does not come up", async () => {
  using world = testWorld();
  const unsafe = new Fault("file_unsafe", "Cannot use /data: others can write in it", { remedy: "chmod go-w /data" });
  const failing: Service = { ...service("a", untilStopped), start: () => Promise.reject(unsafe) };
  await supervise([failing], world, new AbortController().signal);
  expect(world.logged.find(({ event }) => event === "process.failed")).toMatchObject({ facts: { service: "a", next: "chmod go-w /data" } });
});
