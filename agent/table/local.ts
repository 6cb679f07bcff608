import type { Argument, Command, Option } from "../../shared/cli/command.ts";

const DIR: Argument = { name: "dir", summary: "The fleet directory", required: true };
const SHARED: readonly Option[] = [
  { name: "name", value: "NAME", summary: "Be this host for targets and settings (default: the hostname)" },
  { name: "label", short: "l", value: "KEY=VALUE", many: true, summary: "A label of this host" },
  { name: "secrets-file", value: "FILE", summary: "Values of the fleet's secrets, as YAML or JSON: name to text" },
  { name: "facts-dir", value: "DIR", many: true, summary: "Where custom facts are (default: /etc/felhom/facts.d)" },
];
const STATE: Option = {
  name: "state-file",
  value: "FILE",
  summary: "Where failures and pending reloads are kept between runs (default for root: /var/lib/felhom/local-state.json)",
};
const EXIT_CODE: Option = { name: "exit-code", summary: "Exit with 3 when something differs" };

export const commands: readonly Command[] = [
  {
    path: ["local", "plan"],
    summary: "Show what a fleet directory would change on this machine, with no hub",
    examples: [
      { run: "felhom local plan fleet", shows: "one line per step with its reason, and diffs of files" },
      { run: "felhom local plan fleet --label role=web --exit-code", shows: "the same for a web host; exit 3 when something differs" },
    ],
    args: [DIR],
    options: [...SHARED, STATE, EXIT_CODE],
    mutates: false,
    load: () => import("../commands/local-plan.ts"),
  },
  {
    path: ["local", "apply"],
    summary: "Bring this machine to what a fleet directory says, with no hub",
    examples: [
      { run: "sudo felhom local apply fleet --label role=web", shows: "what was changed; a second run changes nothing" },
      { run: "sudo felhom local apply fleet --dry-run", shows: "the plan, and changes nothing" },
    ],
    args: [DIR],
    options: [...SHARED, STATE, EXIT_CODE],
    mutates: true,
    load: () => import("../commands/local-apply.ts"),
  },
  {
    path: ["local", "render"],
    summary: "Show the resources that a fleet directory gives this machine",
    examples: [{ run: "felhom local render fleet --name web-1 -o yaml", shows: "every resource with all its parameters; what holds a secret is left out" }],
    args: [DIR],
    options: SHARED,
    mutates: false,
    load: () => import("../commands/local-render.ts"),
  },
  {
    path: ["local", "facts"],
    summary: "Show the facts and labels that a fleet directory's expressions would see on this machine",
    examples: [{ run: "felhom local facts fleet --label role=web", shows: "host, labels and facts by the names that expressions use" }],
    args: [DIR],
    options: SHARED,
    mutates: false,
    load: () => import("../commands/local-facts.ts"),
  },
];
