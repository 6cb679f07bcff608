import type { Run } from "../../shared/cli/command.ts";
import { isoTime, until } from "../../shared/cli/age.ts";
import { paint } from "../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark, markCell } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { type Cell, fields, table } from "../../shared/cli/table.ts";
import { type Envelope, openEnvelope } from "../../shared/trust/envelope.ts";
import { ROLES, type RootPayload, rootPayload } from "../../shared/trust/payloads.ts";
import { rootExpired } from "../../shared/trust/root.ts";
import { parseStrict } from "../../shared/trust/strict-json.ts";
import { describeChange } from "../core/trust/root-edit.ts";
import { exchangeRoots } from "../edge/push-roots.ts";
import { signatureCount } from "../edge/root-change.ts";
import { Workstation } from "../edge/workstation.ts";

const EXPIRES_SOON_MS = 60 * 86_400_000;

/** The root in force as this workstation verified it, after asking the hub for a newer one where there is a session. */
export const run: Run = async (call) => {
  const { world, globals, terminal } = call;
  const workstation = new Workstation(world, globals.home);
  const exchange = await exchangeRoots(call, workstation, workstation.fleet(globals.context));
  const { fleet } = exchange;
  const root = fleet.newest.payload;
  const nowMs = world.clock.wallMs();
  const keys = Object.entries(root.keys).map(([id, key]) => ({
    id,
    name: key.label,
    publicKey: publicText(key.public),
    roles: ROLES.filter((role) => root.roles[role].keys.some((listed) => listed === id)),
  }));
  const pending = fleet.pending === undefined ? undefined : readPending(fleet.pending);
  const data = {
    fleetId: fleet.fleetId,
    fleetName: root.fleet_name,
    version: root.version,
    hash: fleet.newest.hash,
    pin: fleet.pin,
    createdAt: isoTime(root.created_at),
    expiresAt: isoTime(root.expires_at),
    expired: rootExpired(fleet.newest, nowMs),
    hubPins: root.hub_pins,
    roles: Object.fromEntries(ROLES.map((role) => [role, { threshold: root.roles[role].threshold, keys: root.roles[role].keys }])),
    items: keys,
    pending:
      pending === undefined || fleet.pending === undefined
        ? null
        : { version: pending.version, changes: describeChange(root, pending), signatures: signatureCount(root, pending, fleet.pending) },
    hub: exchange.is === "done" ? "same" : exchange.because,
  };
  const expiry: Cell = data.expired
    ? markCell(terminal, "bad", `expired ${until(root.expires_at, nowMs)}`)
    : root.expires_at - nowMs < EXPIRES_SOON_MS
      ? markCell(terminal, "warn", until(root.expires_at, nowMs))
      : until(root.expires_at, nowMs);
  const human = (): string =>
    [
      fields(
        [
          ["fleet", `${root.fleet_name}  ${fleet.fleetId}`],
          ["root", `version ${root.version}  ${fleet.newest.hash}`],
          ["pinned", fleet.pin === fleet.newest.hash ? "this version" : `version 1  ${fleet.pin}`],
          ["expires", expiry],
          ["hub keys", root.hub_pins.length === 0 ? "not in the root: workstations and boxes use the pin they were given" : root.hub_pins.join(", ")],
          ["hub", exchange.is === "done" ? "has the same root" : exchange.because],
        ],
        terminal,
      ),
      "",
      table(
        [{ title: "KEY" }, { title: "ID" }, { title: "ROLES", flex: true, least: 20 }],
        keys.map(({ name, id, roles }) => [name, id, roles.length === ROLES.length ? "every role" : roles.join(", ")]),
        terminal,
      ),
      "",
      table(
        [{ title: "ROLE" }, { title: "NEEDS", align: "right" }, { title: "MAY", flex: true, least: 20 }],
        ROLES.map((role) => [role, `${root.roles[role].threshold} of ${root.roles[role].keys.length}`, MAY[role]]),
        terminal,
      ),
      ...(data.pending === null
        ? []
        : [
            "",
            `  ${mark(terminal, "warn", `version ${data.pending.version} waits for signatures`)}`,
            ...data.pending.changes.map((line) => `    ${paint(terminal, "quiet", escapeUntrusted(line))}`),
          ]),
    ].join("\n");
  present(call, { kind: "Root", data, human, next: pending === undefined ? undefined : "felhom trust sign" });
  return 0;
};

const MAY: Readonly<Record<(typeof ROLES)[number], string>> = {
  root: "change this very list",
  admit: "let boxes in, label them, make grants",
  publish: "say what boxes shall be",
  operate: "make boxes do things",
  destroy: "make boxes do what can't be undone",
  release: "sign new versions of felhom",
};

function publicText(spelled: string): string {
  return `ed25519:${spelled}`;
}

/** The root that waits here; it was checked when it was stored, and is checked whole when it is signed. */
export function readPending(envelope: Envelope): RootPayload | undefined {
  const opened = openEnvelope(envelope, "root");
  if (!opened.ok) return undefined;
  const parsed = parseStrict(rootPayload, opened.value.payload, "root");
  return parsed.ok ? parsed.value : undefined;
}
