/** What this process is, from the name it was called by and its first words. Pure; `main.ts` acts on it. */
export type Role =
  | { readonly is: "agent" | "hub" | "watchdog"; readonly argv: readonly string[] }
  | { readonly is: "agent-worker" | "render" }
  | { readonly is: "command"; readonly argv: readonly string[] };

/** `felhom hub backup` is a command, `felhom hub --listen …` serves. */
const HUB_VERBS = new Set(["backup", "restore", "status", "token", "nats-config", "help"]);

export function roleOf(calledAs: string, argv: readonly string[]): Role {
  const base = calledAs.slice(calledAs.lastIndexOf("/") + 1);
  if (base === "felhom-sign") return { is: "command", argv: ["sign", ...signWords(argv)] };
  if (base === "felhom-watchdog") return { is: "watchdog", argv };
  const [word, rest] = firstWord(argv);
  switch (word) {
    case "agent":
    case "watchdog":
      return wantsHelp(rest) ? { is: "command", argv: ["help", word] } : { is: word, argv: rest };
    case "hub":
      return HUB_VERBS.has(rest[0] ?? "") ? { is: "command", argv } : wantsHelp(rest) ? { is: "command", argv: ["help", "hub"] } : { is: "hub", argv: rest };
    case "agent-worker":
    case "render":
      return { is: word };
    default:
      return { is: "command", argv };
  }
}

/** `--mode X` and `--mode=X` stand for the first word. */
function firstWord(argv: readonly string[]): [string, readonly string[]] {
  const [first = "", second = ""] = argv;
  if (first === "--mode") return [second, argv.slice(2)];
  if (first.startsWith("--mode=")) return [first.slice("--mode=".length), argv.slice(1)];
  return [first, argv.slice(1)];
}

/** `felhom-sign --pending` is `felhom sign pending`, and so is `felhom-sign --digest …`: there is nothing else to do without a verb. */
function signWords(argv: readonly string[]): readonly string[] {
  if (argv.includes("--pending")) return ["pending", ...argv.filter((word) => word !== "--pending")];
  return argv.some((word) => word === "--digest" || word.startsWith("--digest=")) && argv[0]?.startsWith("-") === true ? ["pending", ...argv] : argv;
}

const wantsHelp = (argv: readonly string[]): boolean => argv.includes("--help") || argv.includes("-h");
