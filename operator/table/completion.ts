import type { Command } from "../../shared/cli/command.ts";

export const commands: readonly Command[] = [
  {
    path: ["completion"],
    summary: "Print a completion script for a shell",
    examples: [
      { run: "source <(felhom completion bash)", shows: "in ~/.bashrc" },
      { run: "felhom completion fish > ~/.config/fish/completions/felhom.fish", shows: "for fish" },
    ],
    args: [{ name: "shell", summary: "bash, zsh or fish", required: true }],
    options: [],
    mutates: false,
    load: () => import("../commands/completion.ts"),
  },
];
