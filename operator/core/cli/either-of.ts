import type { Call, Command, Option } from "../../../shared/cli/command.ts";
import { Fault } from "../../../shared/core/fault.ts";
import type { Table } from "../../tables.ts";

/**
 * `felhom status` and `felhom doctor` mean the box on a box and the fleet on a workstation. One path, two roles: the help shows both
 * sets of options, and the run goes to the one that is meant. `--fleet`, `--box` or an option that only one side has decides;
 * else the box's command is asked whether this is a box.
 */
const SIDES: readonly Option[] = [
  { name: "box", summary: "About this machine, even when a fleet's context is in use" },
  { name: "fleet", summary: "About the fleet, even on a box" },
];

export function eitherTable(box: Table, fleet: Table): Table {
  const merged = box.commands.map((command) => {
    const twin = fleet.commands.find(({ path }) => path.join(" ") === command.path.join(" "));
    return twin === undefined ? command : eitherOf(command, twin);
  });
  const own = fleet.commands.filter((command) => !box.commands.some(({ path }) => path.join(" ") === command.path.join(" ")));
  return { commands: [...merged, ...own] };
}

export function eitherOf(box: Command, fleet: Command): Command {
  const options = new Map([...SIDES, ...fleet.options, ...box.options].map((option) => [option.name, option]));
  return {
    path: box.path,
    summary:
      box.summary === fleet.summary ? box.summary : `${box.summary}; on a workstation, ${fleet.summary.charAt(0).toLowerCase()}${fleet.summary.slice(1)}`,
    examples: [
      ...box.examples.map((example) => ({ ...example, shows: `on a box: ${example.shows}` })),
      ...fleet.examples.map((example) => ({ ...example, shows: `on a workstation: ${example.shows}` })),
    ],
    args: fleet.args.length > box.args.length ? fleet.args : box.args,
    options: [...options.values()],
    mutates: box.mutates || fleet.mutates,
    load: () => Promise.resolve({ run: async (call) => (await (side(box, fleet, call) === "box" ? box : fleet).load()).run(call) }),
  };
}

export function side(box: Command, fleet: Command, call: Call): "box" | "fleet" {
  // A default is in the options too, and nobody typed it.
  const defaults = new Map([...box.options, ...fleet.options].map((option) => [option.name, option.default]));
  const given = (name: string): boolean => call.options[name] !== undefined && call.options[name] !== defaults.get(name);
  if (given("box") && given("fleet")) throw new Fault("bad_request", "Cannot show both at once: --box and --fleet were given");
  if (given("box")) return "box";
  const only = (mine: Command, other: Command): boolean =>
    mine.options.some(({ name }) => given(name) && !other.options.some((option) => option.name === name));
  if (given("fleet") || call.globals.context !== undefined || only(fleet, box)) return "fleet";
  if (only(box, fleet)) return "box";
  return box.isHere?.(call) === true ? "box" : "fleet";
}
