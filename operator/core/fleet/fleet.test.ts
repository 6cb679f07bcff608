import { describe, expect, test } from "bun:test";
import { auditHash, AUDIT_START, type AuditRow } from "../../../shared/core/audit-chain.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { HostDetail, HostItem } from "../../../shared/protocol/api/hosts.ts";
import type { HostSpec } from "../../../shared/protocol/spec.ts";
import { FLEET_MADE_MS, testFleet, testHost, testKey, testRootPayload } from "../../../shared/sim/test-fleet.ts";
import type { BundlePayload } from "../../../shared/trust/payloads.ts";
import { auditData } from "./audit-data.ts";
import { checkAudit } from "./audit-check.ts";
import { diffBundles, diffCounts, isSame, NO_BUNDLE } from "./bundle-diff.ts";
import { editLabels, labelDiff, nextCertificate } from "./certificate.ts";
import { chooseHost, matchesGlob, readLabels } from "./choose-hosts.ts";
import { chooseSigners } from "./choose-signers.ts";
import { readKinds, readLimit, readSince } from "./event-query.ts";
import { detailText } from "./event-text.ts";
import { needsAttention, shownHealth, type ShownHealth, sortHosts, stateText } from "./host-summary.ts";
import { verifyHostDetail } from "./verified-host.ts";
import { sameWords } from "./read-enrollment.ts";
import { editOf, specDiff, windowOf, windowsText } from "./spec-edit.ts";

const code = (run: () => unknown): string => {
  try {
    run();
    return "fine";
  } catch (error) {
    return error instanceof Fault ? error.code : String(error);
  }
};

const host = (name: string, more: Partial<HostItem> = {}): HostItem => ({
  host_id: testHost(name).hostId,
  name,
  labels: {},
  health: "ok",
  contact: "up",
  last_seen_at: 0,
  agent_version: "1",
  bundle_wanted: 2,
  bundle_in_force: 2,
  counts: { unchanged: 1, changed: 0, drifted: 0, failed: 0, skipped: 0, waiting: 0 },
  spec_generation: 1,
  mode: "enforce",
  paused_until: null,
  note: null,
  created_at: 0,
  ...more,
});

test("who needs somebody stands first, then by name", () => {
  const hosts = [
    host("b"),
    host("a"),
    host("s", { health: "stale" }),
    host("f", { health: "failed" }),
    host("r", { health: "revoked" }),
    host("u", { health: "unknown" }),
    host("d", { health: "down" }),
    host("n", { bundle_in_force: 1 }),
  ];
  expect(sortHosts(hosts).map(({ name }) => name)).toEqual(["f", "d", "s", "u", "n", "a", "b", "r"]);
  expect(hosts.filter(needsAttention).map(({ name }) => name)).toEqual(["s", "f", "u", "d", "n"]);
});

test("a host that reported nothing wrong is ok on the wanted bundle only", () => {
  const table: readonly (readonly [Partial<HostItem>, ShownHealth])[] = [
    [{}, "ok"],
    [{ bundle_in_force: 1 }, "behind"],
    [{ bundle_in_force: null }, "behind"],
    [{ bundle_in_force: 3 }, "behind"],
    [{ bundle_wanted: 0, bundle_in_force: 0 }, "ok"],
    [{ bundle_in_force: 1, health: "failed" }, "failed"],
    [{ bundle_in_force: 1, health: "revoked" }, "revoked"],
  ];
  for (const [more, health] of table) expect([more, shownHealth(host("a", more))]).toEqual([more, health]);
});

test("a state is one phrase: the worst thing first", () => {
  const counts = { unchanged: 1, changed: 0, drifted: 0, failed: 0, skipped: 0, waiting: 0 };
  const table: readonly (readonly [Partial<HostItem>, string])[] = [
    [{}, "converged"],
    [{ mode: "monitor" }, "as wanted, watching"],
    [{ counts: { ...counts, failed: 2, drifted: 3 } }, "2 failed"],
    [{ counts: { ...counts, drifted: 3 } }, "3 drifted"],
    [{ bundle_in_force: 1 }, "on bundle 1 of 2"],
    [{ bundle_in_force: null }, "on bundle 0 of 2"],
    [{ bundle_wanted: 0, bundle_in_force: null }, "no bundle yet"],
    [{ counts: null }, "no report yet"],
    [{ contact: "never" }, "never synced"],
    [{ paused_until: 3_600_000, counts: { ...counts, failed: 1 } }, "paused 1 h more"],
    [{ paused_until: -1 }, "converged"],
    [{ counts: { ...counts, waiting: 4 } }, "4 waiting"],
    [{ health: "revoked" }, "revoked"],
    [{ contact: "down" }, "was converged"],
    [{ contact: "stale", counts: { ...counts, failed: 1 } }, "was 1 failed"],
    [{ contact: "down", counts: null }, "no report yet"],
  ];
  for (const [more, text] of table) expect([more, stateText(host("a", more), 0)]).toEqual([more, text]);
});

describe("which host is meant", () => {
  const hosts = [host("a"), host("b"), { ...host("c"), name: "b" }];
  test("by name or id, never by guess, never one of two", () => {
    expect(chooseHost(hosts, "a").name).toBe("a");
    expect(chooseHost(hosts, testHost("c").hostId).host_id).toBe(testHost("c").hostId);
    expect(code(() => chooseHost(hosts, "b"))).toBe("conflict");
    expect(code(() => chooseHost(hosts, "aa"))).toBe("not_found");
  });
  test("globs and labels", () => {
    expect(["web-1", "web-2", "db"].filter((name) => matchesGlob(name, "web-*"))).toEqual(["web-1", "web-2"]);
    expect(matchesGlob("a.b", "a?b")).toBe(true);
    expect(matchesGlob("axb", "a.b")).toBe(false);
    expect(readLabels(["a=1", "b=x=y"])).toEqual({ a: "1", b: "x=y" });
    for (const bad of [["a"], ["=1"], ["a=1", "a=2"]]) expect(code(() => readLabels(bad))).toBe("bad_request");
  });
});

test("label edits set, remove, and refuse what would do nothing", () => {
  const before = { role: "web", site: "gyor" };
  expect(editLabels(before, ["role=db", "site-", "tier=1"])).toEqual({ role: "db", tier: "1" });
  expect(labelDiff(before, editLabels(before, ["role=db", "site-"]))).toEqual(["- role=web", "+ role=db", "- site=gyor"]);
  expect(code(() => editLabels(before, ["nope-"]))).toBe("not_found");
  for (const bad of ["x", "=1", "-"]) expect(code(() => editLabels(before, [bad]))).toBe("bad_request");
});

test("the next certificate keeps the keys and grows the serial; bad names and labels are refused", () => {
  const fleet = testFleet();
  const identity = fleet.identity(testHost("a"), { serial: 4, labels: { role: "web" } });
  const next = nextCertificate(identity, { name: "a2", labels: { role: "db" }, nowMs: FLEET_MADE_MS });
  expect([next.serial, next.host_id, next.name, next.labels]).toEqual([5, identity.hostId, "a2", { role: "db" }]);
  expect(code(() => nextCertificate(identity, { name: "../etc", labels: {}, nowMs: 0 }))).toBe("bad_request");
  expect(code(() => nextCertificate(identity, { name: "a", labels: { "A B": "x" }, nowMs: 0 }))).toBe("bad_request");
  expect(code(() => nextCertificate(identity, { name: "a", labels: { a: "x".repeat(257) }, nowMs: 0 }))).toBe("bad_request");
  expect(
    code(() => nextCertificate(identity, { name: "a", labels: Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`l${at}`, "x"])), nowMs: 0 })),
  ).toBe("bad_request");
});

test("a host's certificate must be that host's: another's, an evil fleet's and none are refused", () => {
  const fleet = testFleet();
  const spec: HostSpec = { v: 1, host_id: testHost("a").hostId, generation: 1, mode: "enforce" };
  const detail = (changes: Partial<HostDetail>): HostDetail => ({
    ...host("a"),
    host_cert: null,
    grant: null,
    admission: null,
    report: null,
    report_received_at: null,
    facts: null,
    facts_received_at: null,
    metrics: {},
    spec,
    boot_id: null,
    address: null,
    ...changes,
  });
  const verdict = (changes: Partial<HostDetail>): string => {
    const { identity } = verifyHostDetail(detail(changes), fleet.root);
    return identity.ok ? "accepted" : identity.refusal;
  };
  expect(verdict({ host_cert: fleet.cert(testHost("a"), { name: "a" }) })).toBe("accepted");
  expect(verdict({ host_cert: fleet.cert(testHost("b"), { name: "a" }) })).toBe("host_mismatch");
  expect(verdict({ host_cert: testFleet("evil").cert(testHost("a")) })).toBe("key_unknown");
  expect(verdict({})).toBe("key_unknown");
  expect(verdict({ grant: fleet.grant("g1"), admission: fleet.admission("g1", testHost("a")) })).toBe("accepted");
  expect(verdict({ grant: fleet.grant("g1"), admission: fleet.admission("g1", testHost("b")) })).toBe("host_mismatch");
  expect(verdict({ grant: fleet.grant("g1"), admission: fleet.admission("g2", testHost("a")) })).not.toBe("accepted");
});

test("signers go by the root: threshold, role, names", () => {
  const [a, b, c] = [testKey("a"), testKey("b"), testKey("c")];
  const payload = testRootPayload([a, b]);
  const root = { ...testFleet().root, payload: { ...payload, roles: { ...payload.roles, publish: { keys: [a.keyId, b.keyId], threshold: 2 } } } };
  const all = [
    { name: "c", key: c },
    { name: "b", key: b },
    { name: "a", key: a },
  ];
  expect(chooseSigners(all, { root, role: "publish", names: [] })).toEqual([a, b]);
  expect(chooseSigners(all, { root, role: "admit", names: [] })).toEqual([a]);
  expect(chooseSigners(all, { root, role: "admit", names: ["b"] })).toEqual([b]);
  expect(code(() => chooseSigners(all.slice(0, 2), { root, role: "publish", names: [] }))).toBe("denied");
  expect(code(() => chooseSigners(all, { root, role: "publish", names: ["c"] }))).toBe("denied");
  expect(code(() => chooseSigners(all, { root, role: "publish", names: ["d"] }))).toBe("not_found");
});

test("words are compared however they are typed, and never almost", () => {
  const words = ["acorn", "bread", "cedar", "drum", "eagle"];
  for (const same of ["acorn-bread-cedar-drum-eagle", "Acorn Bread cedar, drum eagle", " acorn-bread-cedar-drum-eagle "])
    expect(sameWords(same, words)).toBe(true);
  for (const other of ["", "acorn-bread-cedar-drum", "acorn-bread-cedar-drum-eagles", "bread-acorn-cedar-drum-eagle", "acorn-bread-cedar-drum-eagle-fog"])
    expect(sameWords(other, words)).toBe(false);
});

describe("spec edits", () => {
  const spec: HostSpec = { v: 1, host_id: testHost("a").hostId, generation: 3, mode: "enforce", interval_s: 300 };
  const now = 1_000_000;
  test("change what is named and keep the rest", () => {
    expect(editOf(spec, { mode: "monitor" }, now)).toEqual({ mode: "monitor", interval_s: 300 });
    expect(editOf(spec, { pause: "3h" }, now)).toEqual({ mode: "enforce", paused_until: now + 10_800_000, interval_s: 300 });
    expect(editOf({ ...spec, paused_until: now + 5 }, { resume: true }, now)).toEqual({ mode: "enforce", interval_s: 300 });
    expect(editOf(spec, { interval: "10m" }, now).interval_s).toBe(600);
    expect(specDiff(spec, editOf(spec, { mode: "monitor" }, now), now)).toEqual([{ field: "mode", from: "enforce", to: "monitor" }]);
    expect(specDiff(spec, editOf(spec, {}, now), now)).toEqual([]);
  });
  test("refuse what the agent would clamp", () => {
    for (const bad of [
      { mode: "off" },
      { pause: "31d" },
      { pause: "1s" },
      { pause: "x" },
      { pause: "1h", resume: true },
      { interval: "10s" },
      { interval: "2d" },
    ])
      expect([bad, code(() => editOf(spec, bad, now))]).toEqual([bad, "bad_request"]);
  });
  test("windows are written as people say them", () => {
    expect(windowOf("sat+sun 22:00-04:00")).toEqual({ days: [0, 6], from: "22:00", to: "04:00" });
    expect(windowOf("Daily 02:00-05:00").days).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(windowsText([windowOf("mon 08:00-09:00"), windowOf("daily 02:00-05:00")])).toBe("mon 08:00-09:00, daily 02:00-05:00");
    for (const bad of ["", "mon", "mon 8:00-9:00", "mon 24:00-25:00", "mon 08:60-09:00", "moon 08:00-09:00", "mon 08:00-08:00", "mon+ 08:00-09:00"])
      expect([bad, code(() => windowOf(bad))]).toEqual([bad, "bad_request"]);
    expect(editOf({ ...spec, apply_windows: [windowOf("mon 08:00-09:00")] }, { "no-windows": true }, now)).toEqual({ mode: "enforce", interval_s: 300 });
  });
});

describe("audit", () => {
  const rows: AuditRow[] = [];
  for (let seq = 1, hash = AUDIT_START.hash; seq <= 5; seq += 1) {
    const entry = { at: seq, actor: "key:x", from: "::1", action: "a.b", target: `t${seq}`, outcome: "done", data: "{}" };
    hash = auditHash(hash, seq, entry);
    rows.push({ ...entry, seq, hash });
  }
  const at = (seq: number) => ({ seq, hash: rows[seq - 1]?.hash ?? "" });
  test("whole, and a continuation of what was seen", () => {
    expect(checkAudit({ anchor: AUDIT_START, rows, remembered: undefined })).toEqual({ is: "whole", rows: 5, head: at(5), since: undefined });
    expect(checkAudit({ anchor: AUDIT_START, rows, remembered: at(3) })).toMatchObject({ is: "whole", since: at(3) });
    expect(checkAudit({ anchor: at(3), rows: rows.slice(3), remembered: at(3) })).toMatchObject({ is: "whole", since: at(3) });
    expect(checkAudit({ anchor: at(3), rows: rows.slice(3), remembered: at(2) })).toMatchObject({ is: "whole", since: undefined });
  });
  test("attack 91: changed, removed, rewritten and shortened logs are each called so", () => {
    expect(checkAudit({ anchor: AUDIT_START, rows: rows.map((row) => (row.seq === 2 ? { ...row, target: "x" } : row)), remembered: undefined })).toMatchObject({
      is: "broken",
      atSeq: 2,
      because: "hash",
    });
    expect(checkAudit({ anchor: AUDIT_START, rows: rows.filter(({ seq }) => seq !== 2), remembered: undefined })).toMatchObject({
      is: "broken",
      atSeq: 3,
      because: "gap",
    });
    expect(checkAudit({ anchor: AUDIT_START, rows, remembered: { seq: 3, hash: "f".repeat(64) } })).toEqual({ is: "rewritten", atSeq: 3 });
    expect(checkAudit({ anchor: { seq: 3, hash: at(3).hash }, rows: rows.slice(3), remembered: { seq: 3, hash: "f".repeat(64) } })).toEqual({
      is: "rewritten",
      atSeq: 3,
    });
    expect(checkAudit({ anchor: AUDIT_START, rows: rows.slice(0, 2), remembered: at(4) })).toMatchObject({ is: "shortened", headSeq: 2 });
    expect(checkAudit({ anchor: AUDIT_START, rows: [], remembered: at(1) })).toMatchObject({ is: "shortened", headSeq: 0 });
  });
});

test("bundle differences: added, removed, content, mode, secrets", () => {
  const manifest = (version: number, files: Readonly<Record<string, string>>, changes: Partial<BundlePayload> = {}) => {
    const { payload } = testFleet().bundle(version, files, changes);
    const parsed: BundlePayload = JSON.parse(Buffer.from(payload, "base64").toString());
    return parsed;
  };
  const before = manifest(1, { a: "1", b: "2", c: "3" }, { secrets: { [testHost("x").hostId]: "s" } });
  const after = { ...manifest(2, { a: "1", b: "changed", d: "4" }, { secrets: { [testHost("y").hostId]: "s" } }) };
  const diff = diffBundles(before, { ...after, files: after.files.map((file) => (file.path === "a" ? { ...file, mode: 0o755 } : file)) });
  expect(diff.files.map(({ path, change }) => `${change} ${path}`)).toEqual(["mode a", "content b", "removed c", "added d"]);
  expect([diff.secretsGained, diff.secretsLost]).toEqual([[testHost("y").hostId], [testHost("x").hostId]]);
  expect(diffCounts(diff)).toBe("4 files: 1 added, 2 changed, 1 removed");
  expect(isSame(diffBundles(before, before))).toBe(true);
  expect(diffCounts(diffBundles(before, before))).toBe("Nothing differs");
  expect(diffBundles(NO_BUNDLE, before).files).toHaveLength(3);
});

test("event filters are checked, and details leave out what says nothing", () => {
  const nobody = { keys: {} };
  expect(readKinds([])).toBeUndefined();
  expect(readKinds(["host.down,hub"])).toBe("host.down,hub.started,hub.restored,hub.limit-hit");
  expect(code(() => readKinds(["host.dwon"]))).toBe("bad_request");
  expect([readLimit(undefined), readLimit("7")]).toEqual([50, 7]);
  for (const bad of ["0", "-1", "x", "1e3", "9999999"]) expect(code(() => readLimit(bad))).toBe("bad_request");
  expect(
    detailText({ data: { failed: 2, drifted: 0, code: "render_failed", because: "no such setting", request_id: "e-1", paused_until: 0, x: null } }, nobody),
  ).toBe("no such setting  code=render_failed  failed=2");
  expect(detailText({ data: { by: "key:k1" } }, { keys: { k1: { public: "", label: "anna" } } })).toBe('by="anna (k1)"');
  expect(detailText({ data: { paused_until: 1_795_132_800_000, name: 'a "b"' } }, nobody)).toBe('paused_until=2026-11-20T00:00:00Z  name="a \\"b\\""');
});

test("a time to begin at is a duration before now or a time, in UTC unless it says otherwise", () => {
  const nowMs = Date.UTC(2026, 10, 20, 12);
  const table: readonly (readonly [string, number])[] = [
    ["2h", nowMs - 2 * 3_600_000],
    ["3d", nowMs - 3 * 86_400_000],
    ["99999y", 0],
    ["2026-11-20", Date.UTC(2026, 10, 20)],
    ["2026-11-20T08:00", Date.UTC(2026, 10, 20, 8)],
    ["2026-11-20T08:00:30Z", Date.UTC(2026, 10, 20, 8, 0, 30)],
    ["2026-11-20T08:00+01:00", Date.UTC(2026, 10, 20, 7)],
  ];
  for (const [text, at] of table) expect([text, readSince(text, nowMs)]).toEqual([text, at]);
  expect(readSince(undefined, nowMs)).toBeUndefined();
  for (const bad of ["", "yesterday", "4181", "2026-13-01", "2026-11-20T25:00", "20 Nov 2026"])
    expect([bad, code(() => readSince(bad, nowMs))]).toEqual([bad, "bad_request"]);
});

test("what an audit row tells is data, and a list in it is a list", () => {
  expect(auditData('{"version":2,"signers":"[\\"k1\\",\\"k2\\"]"}')).toEqual({ version: 2, signers: ["k1", "k2"] });
  expect(auditData('{"op":"ping","signers":"k1 k2"}')).toEqual({ op: "ping", signers: ["k1", "k2"] });
  expect(auditData('{"signers":""}')).toEqual({ signers: [] });
  expect(auditData('{"name":"[1]","size":6}')).toEqual({ name: "[1]", size: 6 });
  expect(auditData("not json")).toBe("not json");
});
