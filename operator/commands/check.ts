import { count } from "../../shared/cli/age.ts";
import type { Call, Run } from "../../shared/cli/command.ts";
import { paint } from "../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { glyph, mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { fleetPath } from "../core/cli/fleet-path.ts";
import type { FleetCheck } from "../core/fleet-check/check-fleet.ts";
import { checkFleet } from "../core/fleet-check/check-fleet.ts";
import { readRecordedHosts } from "../edge/recorded-hosts.ts";
import type { StateFault } from "../../shared/states/state-fault.ts";
import { readFleetSources } from "../../shared/states/fleet-directory.ts";

/** Validates a fleet directory whole, without a hub: exit 0, or 2 with every fault's file, line and path. */
export const run: Run = async (call) => {
  const dir = fleetPath(call);
  const tree = readFleetSources(call.world.files, dir);
  const recorded = readRecordedHosts(call.world.files, dir);
  const check = tree.ok ? await checkFleet(tree.value, recorded.hosts) : NOTHING(tree.faults);
  const faults = [...recorded.faults, ...check.faults];
  present(call, {
    kind: "FleetCheck",
    data: {
      dir,
      ok: faults.length === 0,
      name: check.name ?? null,
      states: check.states,
      targets: check.targets,
      settings: check.settings,
      secrets: check.secrets,
      hosts: check.hosts.map((host) => ({ ...host, resources: host.resources ?? null })),
      faults,
      notes: check.notes,
    },
    human: () => screen(call, { ...check, faults }),
    next: faults.length === 0 ? `felhom plan ${shellWord(call.args["dir"])}`.trim() : undefined,
  });
  return faults.length === 0 ? 0 : 2;
};

const NOTHING = (faults: readonly StateFault[]): FleetCheck => ({
  name: undefined,
  faults,
  notes: [],
  states: 0,
  targets: 0,
  settings: 0,
  secrets: 0,
  hosts: [],
});
const shellWord = (word: unknown): string => (typeof word === "string" && /^[\w./-]+$/.test(word) ? word : "");

function screen(call: Pick<Call, "terminal">, check: FleetCheck): string {
  const { terminal } = call;
  const lines = check.faults.map((fault) => faultLine(call, fault, "bad"));
  lines.push(...check.notes.map((note) => faultLine(call, note, "warn")));
  if (check.faults.length > 0) {
    const files = new Set(check.faults.map(({ file }) => file)).size;
    return [...lines, `  ${count(check.faults.length, "fault")} in ${count(files, "file")}`].join("\n");
  }
  const dot = terminal.unicode ? " · " : ", ";
  const parts = [count(check.states, "state"), count(check.targets, "target"), count(check.settings, "settings file"), count(check.secrets, "secret")].join(
    dot,
  );
  const samples = check.hosts.some(({ isSample }) => isSample) ? " (made up: there are no facts/*.json)" : "";
  const rendered = check.hosts.filter(({ resources }) => resources !== undefined);
  const resources = rendered.map(({ name, resources: number }) => `${escapeUntrusted(name)} ${number}`).join(dot);
  lines.push(`  ${mark(terminal, "good", `fleet ${escapeUntrusted(check.name ?? "")}`)}  ${parts}`);
  lines.push(
    `  ${mark(terminal, rendered.length === check.hosts.length ? "good" : "warn", "rendered")}  for ${rendered.length === check.hosts.length ? "" : `${rendered.length} of `}${count(check.hosts.length, "host")}${samples}`,
  );
  if (resources !== "") lines.push(`    ${paint(terminal, "quiet", `resources: ${resources}`)}`);
  return lines.join("\n");
}

function faultLine({ terminal }: Pick<Call, "terminal">, fault: StateFault, kind: "bad" | "warn"): string {
  const place = fault.line === 0 ? fault.file : `${fault.file}:${fault.line}${fault.column === undefined ? "" : `:${fault.column}`}`;
  const path = fault.path === "" ? "" : ` ${paint(terminal, "quiet", escapeUntrusted(fault.path))}`;
  const remedy = fault.remedy === undefined ? "" : `\n      ${paint(terminal, "quiet", escapeUntrusted(fault.remedy))}`;
  return `  ${paint(terminal, kind, glyph(terminal, kind))} ${paint(terminal, "strong", escapeUntrusted(place))}${path}  ${escapeUntrusted(fault.message)}${remedy}`;
}
