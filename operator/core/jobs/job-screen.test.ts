import { expect, test } from "bun:test";
import { base64, utf8 } from "../../../shared/core/bytes.ts";
import type { OpTargetItem } from "../../../shared/protocol/api/ops.ts";
import { testHost } from "../../../shared/sim/test-fleet.ts";
import { returnPayload, type ReturnPayload } from "../../../shared/trust/payloads.ts";
import { accept } from "../../../shared/trust/verdict.ts";
import { JobBook } from "./job-book.ts";
import { hostLineType } from "./job-data.ts";
import { jobText } from "./job-screen.ts";

const NOW_MS = 1_800_000_000_000;
const paper = { nowMs: NOW_MS, terminal: { outIsTty: true, columns: 100, colour: false, unicode: true }, verbose: false, expiresMs: NOW_MS + 60_000 };

type Ends = Readonly<Record<string, Partial<ReturnPayload>>>;

const NOTHING = { v: 1, fleet_id: "f-aaaaaaaaaaaaaaaa", op_id: "o-aaaaaaaaaaaaaaaa", op_sha256: "0".repeat(64), part: 0, state: "done", at: 5 } as const;

/** What each host said; and of which nothing came, with the hub's word for it. */
function book(answers: Ends, silent: Readonly<Record<string, Pick<OpTargetItem, "state" | "code">>> = {}): JobBook {
  const made = new JobBook();
  for (const [name, said] of Object.entries(answers)) {
    const { hostId: id } = testHost(name);
    made.heard(id, name, accept(returnPayload.parse({ ...NOTHING, host_id: id, ...said })));
  }
  for (const [name, { state, code }] of Object.entries(silent))
    made.told({ host_id: testHost(name).hostId, name, state, code, since: NOW_MS, last_seen_at: NOW_MS - 60_000 });
  return made;
}
const last = (text: string): string => text.split("\n").at(-1)?.trim() ?? "";

test("each end has its own word in the summary, as it has beside each host", () => {
  const hosts = {
    a: {},
    b: { state: "failed", code: "exit", exit: 1 },
    c: { state: "refused", code: "op_policy" },
    d: { state: "busy", code: "op_busy" },
    e: { state: "interrupted", code: "interrupted" },
  } as const;
  const silent = { f: { state: "silent", code: "no_answer" }, g: { state: "expired", code: null }, h: { state: "cancelled", code: "max_fail" } } as const;
  expect(last(jobText(book(hosts, silent), paper))).toBe("8 hosts: ok 1 · failed 1 · refused 1 · busy 1 · interrupted 1 · silent 1 · expired 1 · cancelled 1");
});

test("output that the box cut says so, however much of it is shown", () => {
  const stdout = base64(utf8("y\n".repeat(100)));
  const text = jobText(book({ a: { stdout, truncated: true } }), paper);
  expect(text).toContain("and 80 more lines: -v shows all");
  expect(text).toContain("… cut: the box dropped what was above the limit of this op");
});

test("answers that differ in how long something runs are the same answer; one alone is shown whole", () => {
  const ping = (uptime: number) => ({ data: { version: "0.1.0", protocol: 1, uptime_ms: uptime } });
  const folded = jobText(book({ a: ping(1), b: ping(2) }), paper);
  expect([folded.includes("2 answers in 1 group"), folded.includes("version=0.1.0"), folded.includes("uptime_ms")]).toEqual([true, true, false]);
  expect(jobText(book({ a: ping(1) }), paper)).toContain("uptime=1 ms");
});

test("a host that was away, for a kind that does not wait, is told apart from one that was given the op", () => {
  expect(jobText(book({}, { a: { state: "silent", code: "away" } }), paper)).toContain("last seen 1 min ago; it was away, and this kind of op does not wait");
  expect(jobText(book({}, { a: { state: "silent", code: "no_answer" } }), paper)).toContain("last seen 1 min ago; it was given the op and never answered");
});

test("what never came is a line of type silent, also when it was taken back", () => {
  const types = (["silent", "expired", "cancelled"] as const).map((state) =>
    book({}, { a: { state, code: null } })
      .hosts()
      .map(hostLineType),
  );
  expect(types).toEqual([["silent"], ["silent"], ["silent"]]);
});
