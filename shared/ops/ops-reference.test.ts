import { expect, test } from "bun:test";
import { OP_KIND_NAMES } from "./catalogue.ts";
import { opsReference } from "./ops-reference.ts";

test("the page has every kind with its parameters, and what a signer reads", () => {
  const page = opsReference();
  for (const kind of OP_KIND_NAMES) expect(page).toContain(`\n## ${kind}\n`);
  for (const part of [
    "| `name` (required) |",
    "It takes no parameters.",
    "run /usr/bin/uptime -p",
    "| `timeout_s` | 1 to 86400 |",
    "Default: `300`",
    "| `op_clock_unset` |",
  ])
    expect(page).toContain(part);
  expect(page).not.toContain("undefined");
  expect(page).not.toContain("[object");
});
