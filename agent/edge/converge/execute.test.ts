/** The run itself: order, batches, triggers, verification – with providers that are made up, on a world that is not. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Fault, isFault } from "../../../shared/core/fault.ts";
import { fileFault } from "../../../shared/edge/errno.ts";
import { testWorld, type TestWorld } from "../../../shared/sim/test-world.ts";
import type { Resource } from "../../../shared/states/resource.ts";
import { packageNames } from "../../../shared/states/resources/package.ts";
import { NO_RETRIES, withTriggers, type RetryState } from "../../core/converge/retry.ts";
import { Accounts } from "../providers/accounts.ts";
import { ParentDirs } from "../providers/parent-dirs.ts";
import type { ProviderContext } from "../providers/provider.ts";
import { Stages } from "../providers/stages.ts";
import { execute, type Executed } from "./execute.ts";
import { observe } from "./observe.ts";
import { chooseProviders, type Providers } from "./providers.ts";

const frame = { require: [], watch: [], onFail: "continue", sensitive: false, from: "states/test.yaml:1" } as const;

let world: TestWorld;
let done: string[];
let installed: Set<string>;
let running: boolean;
let providers: Providers;
const broken = new Set<string>();

beforeEach(() => {
  world = testWorld();
  done = [];
  installed = new Set();
  running = false;
  broken.clear();
  providers = { ...chooseProviders(world), package: { provider: fakePackages() }, service: { provider: fakeServices() } };
});
afterEach(() => world.remove());

function fakePackages(): NonNullable<Providers["package"]["provider"]> {
  const install = (names: readonly string[]): void => {
    done.push(`install ${names.join(" ")}`);
    const bad = names.find((name) => broken.has(name));
    if (bad !== undefined) throw new Fault("exec_failed", `Cannot install packages: Unable to locate package ${bad}`);
    for (const name of names) installed.add(name);
  };
  return {
    type: "package",
    because: "test",
    observe: async (_, wanted) =>
      wanted.map((one) => ({
        ok: true,
        observed: { packages: Object.fromEntries(packageNames(one).map((name) => [name, { installed: installed.has(name) ? "1" : null, candidate: "1" }])) },
      })),
    apply: async (_, step) => install(step.do === "package.install" ? step.packages.map(({ name }) => name) : []),
    applyTogether: async (_, steps) => install(steps.flatMap((step) => (step.do === "package.install" ? step.packages.map(({ name }) => name) : []))),
  };
}

/** The service comes with the package `nginx`. */
function fakeServices(): NonNullable<Providers["service"]["provider"]> {
  return {
    type: "service",
    because: "test",
    observe: async (_, wanted) =>
      wanted.map(() => ({ ok: true, observed: installed.has("nginx") ? { is: "present", running, boot: "enabled", unitsChanged: false } : { is: "missing" } })),
    apply: async (_, step) => {
      done.push(step.do);
      if (broken.has(step.do)) throw new Fault("exec_failed", "Cannot run systemctl: exit 1");
      running = true;
    },
  };
}

const packageOf = (name: string, more: Partial<Resource<"package">> = {}): Resource => ({
  ...frame,
  id: `package/${name}`,
  type: "package",
  name,
  params: { name, ensure: "present", purge: false },
  ...more,
});
const fileOf = (name: string, content: string, more: Partial<Resource<"file">> = {}): Resource => ({
  ...frame,
  id: `file/${world.dir}/${name}`,
  type: "file",
  name: `${world.dir}/${name}`,
  params: { path: `${world.dir}/${name}`, ensure: "present", content, backup: false, followSymlinks: false },
  ...more,
});
const serviceOf = (more: Partial<Resource<"service">> = {}): Resource => ({
  ...frame,
  id: "service/nginx",
  type: "service",
  name: "nginx",
  params: { name: "nginx", ensure: "running", onWatch: "reload" },
  ...more,
});

async function run(resources: readonly Resource[], retry: RetryState = NO_RETRIES, journal: (state: RetryState) => void = () => {}): Promise<Executed> {
  const context: ProviderContext = {
    world,
    parents: new ParentDirs(world.files, world.self),
    accounts: new Accounts(world),
    treeDir: world.dir,
    stages: new Stages(world),
  };
  const seen = await observe(context, providers, resources);
  const executed = await execute({ context, providers, resources, seen, retry, isAsked: false, stop: undefined, journal });
  context.parents.close();
  return executed;
}
const outcomes = (executed: Executed): readonly string[] => executed.outcomes.map(({ outcome }) => outcome);

describe("a run", () => {
  test("judges each resource by what is there at its turn, and a second run changes nothing", async () => {
    const resources = [packageOf("nginx"), fileOf("nginx.conf", "a", { require: ["package/nginx"] }), serviceOf({ require: ["package/nginx"] })];
    expect(outcomes(await run(resources))).toEqual(["changed", "changed", "changed"]);
    expect(done).toEqual(["install nginx", "service.start"]);
    expect(outcomes(await run(resources))).toEqual(["unchanged", "unchanged", "unchanged"]);
  });

  test("installs what is ready in one transaction, and what requires something later on its own turn", async () => {
    const executed = await run([packageOf("a"), packageOf("b"), fileOf("f", "x"), packageOf("c", { require: [`file/${world.dir}/f`] })]);
    expect(outcomes(executed)).toEqual(["changed", "changed", "changed", "changed"]);
    expect(done).toEqual(["install a b", "install c"]);
  });

  test("one bad package fails alone", async () => {
    broken.add("bad");
    const executed = await run([packageOf("a"), packageOf("bad"), packageOf("b")]);
    expect(outcomes(executed)).toEqual(["changed", "failed", "changed"]);
    expect(done).toEqual(["install a bad b", "install a", "install bad", "install b"]);
    expect(executed.retry.failures["package/bad"]?.tries).toBe(1);
  });

  test("skips dependents of a failure and goes on with the rest; the failure waits in the next run", async () => {
    broken.add("bad");
    const resources = [packageOf("bad"), fileOf("f", "x", { require: ["package/bad"] }), fileOf("g", "y")];
    const first = await run(resources);
    expect(outcomes(first)).toEqual(["failed", "skipped", "changed"]);
    expect(outcomes(await run(resources, first.retry))).toEqual(["waiting", "skipped", "unchanged"]);
    expect(done).toEqual(["install bad"]);
  });

  test("what was applied and is still not as wanted has failed", async () => {
    const lying = fakePackages();
    providers = { ...providers, package: { provider: { ...lying, apply: async () => {} } } };
    const executed = await run([packageOf("a")]);
    expect(executed.outcomes[0]).toEqual({ id: "package/a", outcome: "failed", reason: "it was applied and is still not as wanted: a is not installed" });
  });

  test("reloads who watches, and notes it before the change so that a kill between the two loses nothing", async () => {
    installed.add("nginx");
    running = true;
    const resources = [fileOf("nginx.conf", "new"), serviceOf({ watch: [`file/${world.dir}/nginx.conf`] })];
    const journalled: RetryState[] = [];
    const executed = await run(resources, NO_RETRIES, (state) => {
      journalled.push(state);
      expect(world.files.stat("test", `${world.dir}/nginx.conf`)).toBeUndefined();
    });
    expect(journalled.map(({ triggered }) => triggered)).toEqual([["service/nginx"]]);
    expect(done).toEqual(["service.reload"]);
    expect(executed.retry.triggered).toEqual([]);
  });

  test("a reload that was lost to a kill, or failed, happens in a later run", async () => {
    installed.add("nginx");
    running = true;
    await Bun.write(`${world.dir}/nginx.conf`, "new");
    const resources = [fileOf("nginx.conf", "new"), serviceOf({ watch: [`file/${world.dir}/nginx.conf`] })];
    const noted = withTriggers(NO_RETRIES, ["service/nginx"]);
    broken.add("service.reload");
    const failed = await run(resources, noted);
    expect(outcomes(failed)).toEqual(["unchanged", "failed"]);
    expect(failed.retry.triggered).toEqual(["service/nginx"]);
    broken.clear();
    await world.clock.advance(10 * 60_000);
    expect(outcomes(await run(resources, failed.retry))).toEqual(["unchanged", "changed"]);
    expect(done).toEqual(["service.reload", "service.reload"]);
  });

  test("a failure names the file as people know it; an I/O error ends the run instead", async () => {
    const errnos = ["EBUSY", "EIO"];
    const failing = {
      ...world.files,
      rename: (op: string, from: string, to: string) => {
        throw fileFault(op, `rename ${from} to ${to}`, Object.assign(new Error(), { code: errnos[0] }));
      },
    };
    const real = world;
    world = { ...world, files: failing };
    const executed = await run([fileOf("f", "x")]);
    expect(executed.outcomes[0]?.reason).toMatch(new RegExp(`^Cannot rename ${real.dir}/\\.felhom-staged-[0-9a-f-]+ to ${real.dir}/f: EBUSY$`));
    errnos.shift();
    expect(
      await run([fileOf("f", "x")]).then(
        () => "ended well",
        (error: unknown) => (isFault(error) ? error.code : String(error)),
      ),
    ).toBe("disk_failed");
  });

  test("stops between two resources when asked to, and says so", async () => {
    const stop = new AbortController();
    stop.abort();
    const context: ProviderContext = {
      world,
      parents: new ParentDirs(world.files, world.self),
      accounts: new Accounts(world),
      treeDir: world.dir,
      stages: new Stages(world),
    };
    const executed = await execute({
      context,
      providers,
      resources: [packageOf("a")],
      seen: new Map(),
      retry: NO_RETRIES,
      isAsked: false,
      stop: stop.signal,
      journal: () => {},
    });
    expect(executed.outcomes).toEqual([{ id: "package/a", outcome: "skipped", reason: "because the agent is stopping" }]);
  });

  test("a type that nobody serves here fails its resources with the reason", async () => {
    providers = { ...providers, package: { provider: undefined, because: "only apt is supported" } };
    expect((await run([packageOf("a")])).outcomes[0]).toMatchObject({
      outcome: "failed",
      reason: "this box has no provider for package: only apt is supported",
    });
  });
});
