/** What the `local` commands print, for people and for machines. */
import type { Call, ExitCode } from "../../shared/cli/command.ts";
import { paint } from "../../shared/cli/colour.ts";
import { escapeLines, escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark, type Glyph } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import type { ResourceOutcome } from "../../shared/protocol/report.ts";
import type { StateFault } from "../../shared/states/state-fault.ts";
import { summary } from "../core/converge/plan-text.ts";
import type { ConvergeResult } from "../edge/converge/converge.ts";

export function presentFaults(call: Call, dir: string, faults: readonly StateFault[]): ExitCode {
  present(call, {
    kind: "RenderFaults",
    data: { dir, items: faults },
    human: () =>
      [
        ...faults.map(
          (fault) =>
            `${mark(call.terminal, "bad", escapeUntrusted(placeOf(fault)))}  ${escapeUntrusted(fault.message)}${fault.remedy === undefined ? "" : `\n    ${escapeUntrusted(fault.remedy)}`}`,
        ),
        `${faults.length} ${faults.length === 1 ? "fault" : "faults"}: nothing was touched`,
      ].join("\n"),
    next: `felhom check ${dir}`,
  });
  return 2;
}

function placeOf({ file, line, path }: StateFault): string {
  if (file === "") return "render";
  return `${file}${line > 0 ? `:${line}` : ""}${path === "" ? "" : ` ${path}`}`;
}

export function presentPlan(call: Call, dir: string, result: ConvergeResult): ExitCode {
  const differs = result.planned.some(({ verdict }) => verdict.is !== "unchanged");
  present(call, {
    kind: "LocalPlan",
    data: {
      dir,
      counts: result.counts,
      planSha256: result.planSha256,
      text: result.planText,
      items: result.planned.flatMap(({ resource, verdict }) =>
        verdict.is === "unchanged"
          ? []
          : [
              {
                name: resource.id,
                from: resource.from,
                verdict: verdict.is,
                ...(verdict.is === "change" ? { steps: verdict.steps.map((step) => ({ do: step.do, reason: step.reason })) } : { because: verdict.because }),
              },
            ],
      ),
    },
    human: () =>
      result.planText
        .split("\n")
        .map((line) => painted(call, line))
        .join("\n"),
    next: differs ? `felhom local apply ${dir}` : undefined,
  });
  if (result.planned.some(({ verdict }) => verdict.is === "failed")) return 4;
  return differs && call.options["exit-code"] === true ? 3 : 0;
}

function painted(call: Call, line: string): string {
  const text = escapeLines(line);
  if (line.startsWith("    +")) return paint(call.terminal, "good", text);
  if (line.startsWith("    -")) return paint(call.terminal, "bad", text);
  if (line.startsWith("    @@")) return paint(call.terminal, "accent", text);
  if (line.startsWith("! ")) return paint(call.terminal, "bad", text);
  if (line.startsWith("~ ")) return paint(call.terminal, "warn", "~") + text.slice(1);
  return text;
}

const GLYPHS: Readonly<Record<ResourceOutcome["outcome"], Glyph>> = {
  unchanged: "good",
  changed: "change",
  drifted: "change",
  failed: "bad",
  skipped: "off",
  waiting: "busy",
};

export function presentOutcomes(call: Call, dir: string, result: ConvergeResult): ExitCode {
  const { counts } = result;
  const told = result.outcomes.filter(({ outcome }) => outcome !== "unchanged");
  const isBad = counts.failed + counts.skipped + counts.waiting > 0;
  present(call, {
    kind: "LocalApply",
    data: {
      dir,
      counts,
      durationMs: result.durationMs,
      planSha256: result.planSha256,
      items: told.map(({ id, outcome, reason }) => ({ name: id, outcome, reason })),
    },
    human: () =>
      [
        ...told.map(
          ({ id, outcome, reason }) =>
            `${mark(call.terminal, GLYPHS[outcome], outcome.padEnd(7))}  ${escapeUntrusted(id)}${reason === "" ? "" : `  ${escapeUntrusted(reason)}`}`,
        ),
        told.length === 0 ? `${summary(result.planned)} (${seconds(result.durationMs)})` : `${countsText(counts)} in ${seconds(result.durationMs)}`,
      ].join("\n"),
    next: isBad ? `felhom local plan ${dir}` : undefined,
  });
  if (isBad) return 4;
  return counts.changed > 0 && call.options["exit-code"] === true ? 3 : 0;
}

function countsText(counts: ConvergeResult["counts"]): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([word, count]) => `${count} ${word}`)
    .join(", ");
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms} ms` : `${(ms / 1_000).toFixed(1)} s`;
}
