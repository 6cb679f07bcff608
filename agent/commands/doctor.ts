import type { Run } from "../../shared/cli/command.ts";
import { count } from "../../shared/cli/age.ts";
import { paint } from "../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { type Glyph, glyph } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import type { Terminal } from "../../shared/ports/terminal.ts";
import { exitOf, type Finding } from "../core/doctor/findings.ts";
import { boxPaths } from "../edge/box-paths.ts";
import { examine } from "../edge/doctor/examine.ts";

const GLYPHS: Readonly<Record<Finding["status"], Glyph>> = { ok: "good", warn: "change", fail: "warn", skipped: "off" };
const STYLES = { ok: "good", warn: "warn", fail: "bad", skipped: "quiet" } as const satisfies Record<Finding["status"], Parameters<typeof paint>[1]>;

/** Exit 1 when something is wrong; what is only worth a look does not fail a script. */
export const run: Run = async (call) => {
  const findings = await examine(call.world, await boxPaths(call));
  const fail = findings.filter(({ status }) => status === "fail").length;
  const warn = findings.filter(({ status }) => status === "warn").length;
  present(call, {
    kind: "Doctor",
    data: { role: "agent", checks: findings.map(({ id, status, detail, fix }) => ({ id, status, detail, fix: fix ?? null })), fail, warn },
    human: () => [...findings.map((finding) => line(finding, call.terminal)), `  ${count(fail, "problem")}, ${count(warn, "warning")}`].join("\n"),
  });
  return exitOf(findings);
};

function line({ title, status, detail, fix }: Finding, terminal: Pick<Terminal, "unicode" | "colour">): string {
  const head = `  ${paint(terminal, STYLES[status], glyph(terminal, GLYPHS[status]))} ${title.padEnd(15)} ${escapeUntrusted(detail)}`;
  return fix === undefined ? head : `${head}\n${" ".repeat(20)}${paint(terminal, "quiet", `${terminal.unicode ? "→" : "->"} ${escapeUntrusted(fix)}`)}`;
}
