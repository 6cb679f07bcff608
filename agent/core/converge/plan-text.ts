/**
 * A plan as people read it, the same for `local plan`, `--dry-run`, monitor mode and what a report's hash covers: one line per
 * step with its reason, a unified diff below a file that is going to be written. What was made from a secret is never shown,
 * and every secret value that turns up elsewhere is masked. Control characters are made visible by whoever prints it.
 */
import type { Step } from "../../../shared/states/resources/registry.ts";
import type { Planned } from "./plan.ts";
import { unifiedDiff } from "../../../shared/core/unified-diff.ts";

/** The text of a file before and after a step, or why it is not shown. */
export type FileTexts =
  | { readonly is: "shown"; readonly path: string; readonly before: string; readonly after: string }
  | { readonly is: "hidden"; readonly because: string };

export interface PlanTextInput {
  readonly planned: readonly Planned[];
  readonly texts: ReadonlyMap<string, FileTexts>;
  readonly secrets: readonly string[];
}

const SECRET_CHARS_MIN = 4;
const MASK = "••••••";

export function planText({ planned, texts, secrets }: PlanTextInput): string {
  const mask = masking(secrets);
  const lines = planned.flatMap(({ resource, verdict }) => {
    switch (verdict.is) {
      case "unchanged":
        return [];
      case "change":
        return [...verdict.steps.map((step) => `~ ${resource.id}  ${verb(step)}: ${step.reason}`), ...diffOf(resource.sensitive, texts.get(resource.id))];
      case "failed":
        return [`! ${resource.id}  cannot be done: ${verdict.because}`];
      case "skipped":
        return [`- ${resource.id}  skipped, because ${verdict.because}`];
      case "waiting":
        // Without the minutes that are left: the same plan has the same text.
        return [`. ${resource.id}  waits, because it ${verdict.because.replace(/, tried again in [^(]*/, " ")}`];
      case "unclear":
        return [`? ${resource.id}  ${verdict.because}`];
    }
  });
  return mask([...lines, summary(planned)].join("\n"));
}

export function summary(planned: readonly Planned[]): string {
  const count = (is: Planned["verdict"]["is"]): number => planned.filter(({ verdict }) => verdict.is === is).length;
  const change = count("change");
  if (count("unchanged") === planned.length) return `${planned.length} ${planned.length === 1 ? "resource" : "resources"}, nothing to change`;
  const parts = (
    [
      ["to change", change],
      ["not yet known", count("unclear")],
      ["cannot be done", count("failed")],
      ["skipped", count("skipped")],
      ["waiting", count("waiting")],
      ["as wanted", count("unchanged")],
    ] as const
  )
    .filter(([, number]) => number > 0)
    .map(([word, number]) => `${number} ${word}`);
  return `${planned.length} ${planned.length === 1 ? "resource" : "resources"}: ${parts.join(", ")}`;
}

function diffOf(isSensitive: boolean, texts: FileTexts | undefined): readonly string[] {
  if (isSensitive) return ["    (made from a secret: not shown)"];
  if (texts === undefined) return [];
  if (texts.is === "hidden") return [`    (${texts.because}: not shown)`];
  return unifiedDiff(texts.before, texts.after, texts.path).map((line) => `    ${line}`);
}

/** "file.write" reads as "write", "service.reload-units" as "reload units". */
function verb(step: Step): string {
  return step.do.slice(step.do.indexOf(".") + 1).replaceAll("-", " ");
}

/** Longest first, so that a secret inside another leaves no rest. Very short values would mask half the text and are left to `sensitive`. */
export function masking(secrets: readonly string[]): (text: string) => string {
  const values = [...new Set(secrets.flatMap((secret) => [secret, ...secret.split("\n")]))]
    .filter((value) => value.trim().length >= SECRET_CHARS_MIN)
    .sort((a, b) => b.length - a.length);
  return (text) => values.reduce((masked, value) => masked.replaceAll(value, MASK), text);
}
