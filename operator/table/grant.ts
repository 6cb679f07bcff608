import type { Command } from "../../shared/cli/command.ts";
import { PASSPHRASE_OPTIONS } from "./passphrase-option.ts";

export const commands: readonly Command[] = [
  {
    path: ["grant", "create"],
    summary: "Let boxes in without asking each time; prints a join code",
    examples: [
      { run: "felhom grant create --uses 20 --expires 3d -l site=gyor", shows: "twenty boxes within three days, each labelled site=gyor" },
      { run: "felhom grant create --yes --json --passphrase-file pass", shows: "the code, for an image builder" },
    ],
    args: [],
    options: [
      { name: "uses", value: "N", summary: "How many boxes it lets in (default 1)" },
      { name: "expires", value: "TIME", summary: "How long it lives, such as 6h or 7d (default 7d)" },
      { name: "label", short: "l", value: "KEY=VALUE", many: true, summary: "A signed label for each of them" },
      ...PASSPHRASE_OPTIONS,
    ],
    mutates: true,
    load: () => import("../commands/grant-create.ts"),
  },
  {
    path: ["grant", "list"],
    summary: "Show the grants and how often each was used",
    examples: [{ run: "felhom grant list", shows: "state, uses, labels, end" }],
    args: [],
    options: [],
    mutates: false,
    load: () => import("../commands/grant-list.ts"),
  },
  {
    path: ["grant", "revoke"],
    summary: "Let no more boxes in by this grant",
    examples: [{ run: "felhom grant revoke g-4kq2m7xa", shows: "boxes that it let in stay" }],
    args: [{ name: "grant", summary: "Id of the grant", required: true }],
    options: [],
    mutates: true,
    load: () => import("../commands/grant-revoke.ts"),
  },
];
