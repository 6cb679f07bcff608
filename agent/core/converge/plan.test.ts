import { describe, expect, test } from "bun:test";
import type { Resource } from "../../../shared/states/resource.ts";
import type { Seen } from "./judge.ts";
import { monitored } from "./monitored.ts";
import { isQuiet, plan } from "./plan.ts";
import { planText } from "./plan-text.ts";
import {
  declarationOf,
  heldUntilMs,
  NO_RETRIES,
  pruned,
  readRetryState,
  RETRY_FIRST_MS,
  RETRY_MAX_MS,
  retryInMs,
  withFailure,
  withSuccess,
  withTriggers,
  type RetryState,
} from "./retry.ts";

const frame = { require: [], watch: [], onFail: "continue", sensitive: false, from: "states/test.yaml:1" } as const;

function fileOf(name: string, more: Partial<Resource<"file">> = {}): Resource<"file"> {
  return {
    ...frame,
    id: `file/${name}`,
    type: "file",
    name,
    params: { path: name, ensure: "present", content: "wanted\n", backup: false, followSymlinks: false },
    ...more,
  };
}
function serviceOf(name: string, more: Partial<Resource<"service">> = {}): Resource<"service"> {
  return { ...frame, id: `service/${name}`, type: "service", name, params: { name, ensure: "running", onWatch: "reload" }, ...more };
}

const ABSENT: Seen = { ok: true, observed: { target: { is: "absent" } } };
const GOOD: Seen = {
  ok: true,
  observed: { target: { is: "file", mode: 0o644, uid: 0, gid: 0, size: 7, sha256: new Bun.CryptoHasher("sha256").update("wanted\n").digest("hex") } },
};
const RUNS: Seen = { ok: true, observed: { is: "present", running: true, boot: "enabled", unitsChanged: false } };
const UNSEEN: Seen = { ok: false, because: "permission denied" };

function planOf(resources: readonly Resource[], seen: Readonly<Record<string, Seen>>, retry: RetryState = NO_RETRIES, nowMs = 0, isAsked = false) {
  return plan({ resources, seen: new Map(Object.entries(seen)), retry, nowMs, isAsked });
}
const verdicts = (planned: ReturnType<typeof plan>) => planned.map(({ verdict }) => verdict.is);

describe("a plan", () => {
  test("has nothing to say when all is as wanted", () => {
    const planned = planOf([fileOf("/a"), serviceOf("x")], { "file//a": GOOD, "service/x": RUNS });
    expect(isQuiet(planned)).toBe(true);
    expect(planText({ planned, texts: new Map(), secrets: [] })).toBe("2 resources, nothing to change");
  });

  test("takes an observation that failed for a failure, never for an absence", () => {
    expect(verdicts(planOf([fileOf("/a")], { "file//a": UNSEEN }))).toEqual(["failed"]);
    expect(verdicts(planOf([fileOf("/a")], {}))).toEqual(["failed"]);
  });

  test("skips what depends on a failure, through any number of steps, and goes on with the rest", () => {
    const resources = [fileOf("/a"), fileOf("/b", { require: ["file//a"] }), serviceOf("x", { watch: ["file//b"] }), fileOf("/c")];
    const planned = planOf(resources, { "file//a": UNSEEN, "file//b": ABSENT, "service/x": RUNS, "file//c": ABSENT });
    expect(verdicts(planned)).toEqual(["failed", "skipped", "skipped", "change"]);
    expect(planned[1]?.verdict).toEqual({ is: "skipped", because: "file//a failed" });
  });

  test("skips all that comes later when a failure says stop", () => {
    const resources = [fileOf("/a", { onFail: "stop" }), fileOf("/b")];
    expect(planOf(resources, { "file//a": UNSEEN, "file//b": ABSENT })[1]?.verdict).toEqual({ is: "skipped", because: "file//a failed and stops the rest" });
  });

  test("triggers who watches what is going to change", () => {
    const planned = planOf([fileOf("/a"), serviceOf("x", { watch: ["file//a"] })], { "file//a": ABSENT, "service/x": RUNS });
    expect(planned[1]?.verdict).toMatchObject({ is: "change", steps: [{ do: "service.reload" }] });
  });

  test("still triggers who was interrupted before it could act", () => {
    const planned = planOf(
      [fileOf("/a"), serviceOf("x", { watch: ["file//a"] })],
      { "file//a": GOOD, "service/x": RUNS },
      withTriggers(NO_RETRIES, ["service/x"]),
    );
    expect(verdicts(planned)).toEqual(["unchanged", "change"]);
  });

  test("does not pretend to know what a change before it will bring", () => {
    const resources = [fileOf("/etc/nginx.conf"), serviceOf("nginx", { require: ["file//etc/nginx.conf"] })];
    const planned = planOf(resources, { "file//etc/nginx.conf": ABSENT, "service/nginx": { ok: true, observed: { is: "missing" } } });
    expect(planned[1]?.verdict).toEqual({ is: "unclear", because: "decided once file//etc/nginx.conf is done (now: there is no service nginx)" });
  });
});

describe("a resource that keeps failing", () => {
  const resource = fileOf("/a");
  const failed = withFailure(NO_RETRIES, resource, "disk is full", 1_000);

  test("waits twice as long each time, up to an hour, and never holds up another", () => {
    const planned = planOf([resource, fileOf("/b")], { "file//a": ABSENT, "file//b": ABSENT }, failed, 1_000);
    expect(verdicts(planned)).toEqual(["waiting", "change"]);
    expect(planned[0]?.verdict).toMatchObject({ because: "failed once, tried again in 2 min (disk is full)" });
    let state = failed;
    const waits: number[] = [];
    for (let tries = 0; tries < 8; tries++) {
      waits.push((heldUntilMs(state.failures[resource.id], declarationOf(resource), 1_000) ?? 0) - 1_000);
      state = withFailure(state, resource, "disk is full", 1_000);
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 30, 30, 30].map((factor) => factor * RETRY_FIRST_MS));
    expect(Math.max(...waits)).toBe(RETRY_MAX_MS);
  });

  test("is due when its time has come, when somebody asks, when it is declared anew, and when the clock went back", () => {
    const due = (given: Resource, nowMs: number, isAsked = false) => verdicts(planOf([given], { [given.id]: ABSENT }, failed, nowMs, isAsked));
    expect(due(resource, 1_000 + RETRY_FIRST_MS)).toEqual(["change"]);
    expect(due(resource, 1_000, true)).toEqual(["change"]);
    expect(due(fileOf("/a", { params: { ...resource.params, content: "other\n" } }), 1_000)).toEqual(["change"]);
    expect(due(resource, 500)).toEqual(["change"]);
  });

  test("skips its dependents while it waits, and is forgiven once it is as wanted", () => {
    expect(verdicts(planOf([resource, fileOf("/b", { require: ["file//a"] })], { "file//a": ABSENT, "file//b": ABSENT }, failed, 1_000))).toEqual([
      "waiting",
      "skipped",
    ]);
    expect(verdicts(planOf([resource], { "file//a": GOOD }, failed, 1_000))).toEqual(["unchanged"]);
    expect(withSuccess(failed, resource.id)).toEqual(NO_RETRIES);
    expect(retryInMs(failed, 1_000)).toBe(RETRY_FIRST_MS);
    expect(retryInMs(NO_RETRIES, 1_000)).toBeUndefined();
    // Overdue, and only skipped in this run: no reason to run again at once.
    expect(retryInMs(failed, 1_000 + RETRY_FIRST_MS)).toBeUndefined();
  });

  test("is remembered as JSON; damage and what is no longer declared are forgotten", () => {
    const kept = withTriggers(failed, ["service/x"]);
    expect(readRetryState(JSON.parse(JSON.stringify(kept)))).toEqual(kept);
    expect(pruned(kept, [])).toEqual(NO_RETRIES);
    expect(readRetryState({})).toEqual(NO_RETRIES);
    expect(readRetryState({ v: 1, failures: { a: 1 }, triggered: [1, "b"] })).toEqual({ v: 1, failures: {}, triggered: ["b"] });
  });
});

describe("the text of a plan", () => {
  const planned = planOf(
    [fileOf("/a"), fileOf("/key", { sensitive: true }), fileOf("/b", { require: ["file//gone"] }), fileOf("/c")],
    { "file//a": ABSENT, "file//key": ABSENT, "file//b": UNSEEN, "file//c": GOOD },
    NO_RETRIES,
  );
  const texts = new Map([["file//a", { is: "shown", path: "/a", before: "one\ntwo hunter22\n", after: "one\nwanted\n" } as const]]);

  test("has one line per step with its reason, diffs below, and masks secrets", () => {
    expect(planText({ planned, texts, secrets: ["hunter22"] })).toBe(
      [
        "~ file//a  write: it is absent",
        "    --- /a (now)",
        "    +++ /a (wanted)",
        "    @@ -1,2 +1,2 @@",
        "     one",
        "    -two ••••••",
        "    +wanted",
        "~ file//key  write: it is absent",
        "    (made from a secret: not shown)",
        "! file//b  cannot be done: permission denied",
        "4 resources: 2 to change, 1 cannot be done, 1 as wanted",
      ].join("\n"),
    );
  });

  test("is what monitor mode reports as drift", () => {
    expect(monitored(planned)).toEqual([
      { id: "file//a", outcome: "drifted", reason: "it is absent" },
      { id: "file//key", outcome: "drifted", reason: "it is absent" },
      { id: "file//b", outcome: "failed", reason: "permission denied" },
      { id: "file//c", outcome: "unchanged", reason: "" },
    ]);
  });
});
