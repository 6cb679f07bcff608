import type { Command } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

const HOST = { name: "host", summary: "Name or id of the host", required: true } as const;

export const commands: readonly Command[] = [
  {
    path: ["host", "list"],
    summary: "Show every host, those that need you first",
    examples: [
      { run: "felhom host list", shows: "health, age of the last sign of life, state" },
      { run: "felhom host list --attention", shows: "only those that are not as wanted" },
      { run: "felhom host list --pending", shows: "boxes that wait for approval, with their words" },
      { run: "felhom host list 'web-*' --label site=gyor -o name", shows: "names for a script" },
    ],
    args: [{ name: "name", summary: "Only names that match, * and ? as in a shell", required: false }],
    options: [
      { name: "pending", summary: "Boxes that wait for approval instead" },
      { name: "attention", summary: "Only hosts that are not as wanted" },
      { name: "health", value: "STATE", summary: "Only ok, drift, failed, degraded, stale, down, unknown or revoked" },
      { name: "label", short: "l", value: "KEY=VALUE", many: true, summary: "Only hosts with this label" },
      { name: "all", summary: "Revoked hosts too" },
      { name: "verify", summary: "Hold every line against what host and operator signed; exit 7 when something does not fit" },
    ],
    mutates: false,
    load: () => import("../commands/host-list.ts"),
  },
  {
    path: ["host", "show"],
    summary: "Show one host: what was signed about it, what it signed, and what the hub says",
    examples: [
      { run: "felhom host show kovacs-1", shows: "identity, contact, last report, spec, facts" },
      { run: "felhom host show kovacs-1 --facts", shows: "all facts" },
    ],
    args: [HOST],
    options: [{ name: "facts", summary: "All facts instead of the most useful" }],
    mutates: false,
    load: () => import("../commands/host-show.ts"),
  },
  {
    path: ["host", "approve"],
    summary: "Let a box into the fleet: compare five words, sign its certificate",
    examples: [
      { run: "felhom host approve kovacs-1", shows: "shows the words and asks whether the box shows the same" },
      { run: "felhom host approve pve --name kovacs-1 -l site=kovacs -l role=web", shows: "with a name and labels of your choice" },
      { run: "felhom host approve kovacs-1 --words acorn-bread-cedar-drum-eagle --passphrase-file pass", shows: "for scripts that read the words off the box" },
    ],
    args: [{ name: "name", summary: "The name the box gave itself, its request id or its host id", required: true }],
    options: [
      { name: "name", value: "NAME", summary: "Call it this in the fleet" },
      { name: "label", short: "l", value: "KEY=VALUE", many: true, summary: "A signed label; states, settings and secrets go by labels" },
      { name: "words", value: "WORDS", summary: "The five words as the box shows them, joined by dashes" },
      ...PASSPHRASE_OPTIONS,
    ],
    mutates: true,
    load: () => import("../commands/host-approve.ts"),
  },
  {
    path: ["host", "reject"],
    summary: "Turn down a box that asks to be let in",
    examples: [{ run: "felhom host reject pve --reason 'not ours'", shows: "the box is told so" }],
    args: [{ name: "name", summary: "The name the box gave itself, its request id or its host id", required: true }],
    options: [],
    mutates: true,
    load: () => import("../commands/host-reject.ts"),
  },
  {
    path: ["host", "revoke"],
    summary: "End a host's membership: it keeps what it has and gets nothing new",
    examples: [
      { run: "felhom host revoke kovacs-1", shows: "asks for the name to be typed" },
      { run: "felhom host revoke kovacs-1 --confirm kovacs-1 --reason stolen", shows: "for scripts" },
    ],
    args: [HOST],
    options: [{ name: "confirm", value: "NAME", summary: "The host's name again, instead of typing it" }],
    mutates: true,
    load: () => import("../commands/host-revoke.ts"),
  },
  {
    path: ["host", "label"],
    summary: "Change a host's signed labels or its name",
    examples: [
      { run: "felhom host label kovacs-1 role=web tier-", shows: "sets role, removes tier, signs the next certificate" },
      { run: "felhom host label kovacs-1", shows: "shows the labels" },
      { run: "felhom host label kovacs-1 --rename kovacs-web", shows: "another name, the same keys" },
    ],
    args: [HOST, { name: "labels", summary: "KEY=VALUE to set, KEY- to remove", required: false, many: true }],
    options: [{ name: "rename", value: "NAME", summary: "A new name" }, ...PASSPHRASE_OPTIONS],
    mutates: true,
    load: () => import("../commands/host-label.ts"),
  },
  {
    path: ["host", "timeline"],
    summary: "Show what happened to one host, the newest last",
    examples: [{ run: "felhom host timeline kovacs-1 --limit 20", shows: "its last twenty events" }],
    args: [HOST],
    options: [{ name: "limit", value: "N", summary: "At most this many", default: "50" }],
    mutates: false,
    load: () => import("../commands/host-timeline.ts"),
  },
  {
    path: ["host", "spec"],
    summary: "Show or edit a host's desired spec: mode, pause, interval, windows",
    examples: [
      { run: "felhom host spec kovacs-1", shows: "the spec and its generation" },
      { run: "felhom host spec kovacs-1 --mode monitor", shows: "report drift, change nothing" },
      { run: "felhom host spec kovacs-1 --pause 3h --reason 'moving the rack'", shows: "nothing is applied for three hours" },
      { run: "felhom host spec kovacs-1 --apply-window 'daily 02:00-05:00'", shows: "changes at night only, in the box's own time" },
    ],
    args: [HOST],
    options: [
      { name: "mode", value: "MODE", summary: "enforce or monitor" },
      { name: "pause", value: "TIME", summary: "Apply nothing for this long, at most 30d" },
      { name: "resume", summary: "End a pause" },
      { name: "interval", value: "TIME", summary: "Between two runs, 1m to 24h" },
      { name: "fetch-window", value: "WINDOW", many: true, summary: "When bundles may be fetched: 'sat+sun 22:00-04:00'" },
      { name: "apply-window", value: "WINDOW", many: true, summary: "When changes may be made" },
      { name: "no-windows", summary: "Remove all windows that are not given again" },
    ],
    mutates: true,
    load: () => import("../commands/host-spec.ts"),
  },
];
