import { expect, test } from "bun:test";
import type { AgentStatus } from "./agent-status.ts";
import { statusText } from "./status-text.ts";

const NOW = 1_800_000_000_000;
const SCREEN = { outIsTty: false, columns: 160, colour: false, unicode: true } as const;
const STATUS: AgentStatus = {
  v: 1,
  version: "0.1.0",
  protocol: 1,
  pid: 7,
  run: 2,
  startedMs: NOW - 5_000,
  rssBytes: 50 * 1024 * 1024,
  dataDir: "/var/lib/felhom",
  host: { id: "h-2222222222222222", name: "box-1", labels: { site: "cellar" }, fleet: "f-2222222222222222" },
  link: { is: "offline", because: "net_unreachable", url: "https://hub", sinceMs: NOW - 5_000, failures: 3, nextInMs: 2_000 },
  desired: {
    source: "database",
    notes: [],
    root: 1,
    cert: 1,
    bundle: 4,
    bundleCreatedMs: NOW - 60_000,
    candidate: 4,
    missingBlobs: 0,
    generation: 1,
    mode: "enforce",
  },
  converge: {},
  outbox: { rows: 0, bytes: 0, dropped: 0, parked: 0 },
  checks: [],
};

const lineOf = (status: AgentStatus, field: string): string =>
  statusText(status, NOW, SCREEN)
    .split("\n")
    .find((line) => line.trimStart().startsWith(field)) ?? "";

test("an agent that has just started does not claim that its box never synced", () => {
  expect(lineOf(STATUS, "link")).toContain("offline for 5 s (net_unreachable) https://hub, no sync since it started, next try in 2 s");
  expect(lineOf({ ...STATUS, link: { ...STATUS.link, lastSyncMs: NOW - 60_000 } }, "link")).toContain("last sync 1 min ago");
  // The clock was set back since.
  expect(lineOf({ ...STATUS, link: { ...STATUS.link, lastSyncMs: NOW + 40 * 86_400_000 } }, "link")).toContain("last sync 40 d ahead, next try");
});

test("what others wrote reaches the terminal without its control bytes", () => {
  const bad = "\u001b[2J\u0007\u202e";
  const hostile: AgentStatus = {
    ...STATUS,
    host: { id: "h-2222222222222222", name: `box${bad}`, labels: { site: bad }, fleet: "f-2222222222222222" },
    link: { ...STATUS.link, url: `https://hub${bad}`, because: bad },
    nats: { is: "attached", url: bad, server: bad },
    desired: { ...STATUS.desired, notes: [bad] },
    converge: { failure: bad },
    checks: [{ name: "store", is: "failed", because: bad }],
  };
  for (const letter of ["\u001b", "\u0007", "\u202e"]) expect(statusText(hostile, NOW, SCREEN)).not.toContain(letter);
});
