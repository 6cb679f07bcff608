import { count } from "../../../shared/cli/age.ts";
import { paint } from "../../../shared/cli/colour.ts";
import { escapeUntrusted } from "../../../shared/cli/escape.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { BundlePayload } from "../../../shared/trust/payloads.ts";

/** What is different between two verified manifests: by path, content and mode; and who gained or lost secrets. */
export interface FileChange {
  readonly path: string;
  readonly change: "added" | "removed" | "content" | "mode";
  readonly before?: BundlePayload["files"][number];
  readonly after?: BundlePayload["files"][number];
}

export interface BundleDiff {
  readonly from: number;
  readonly to: number;
  readonly files: readonly FileChange[];
  /** Hosts that have sealed secrets in one of the two only. Sealed values differ every time, so equal secrets can't be told apart. */
  readonly secretsGained: readonly string[];
  readonly secretsLost: readonly string[];
}

type Manifest = Pick<BundlePayload, "version" | "files" | "secrets">;
export const NO_BUNDLE: Manifest = { version: 0, files: [], secrets: {} };

export function diffBundles(before: Manifest, after: Manifest): BundleDiff {
  const [old, next] = [byPath(before), byPath(after)];
  const paths = [...new Set([...old.keys(), ...next.keys()])].toSorted();
  const [had, has] = [Object.keys(before.secrets), Object.keys(after.secrets)];
  return {
    from: before.version,
    to: after.version,
    files: paths.flatMap((path) => fileChange(path, old.get(path), next.get(path))),
    secretsGained: has.filter((host) => !had.includes(host)).toSorted(),
    secretsLost: had.filter((host) => !has.includes(host)).toSorted(),
  };
}

export function isSame(diff: BundleDiff): boolean {
  return diff.files.length === 0 && diff.secretsGained.length === 0 && diff.secretsLost.length === 0;
}

function byPath(manifest: Manifest): ReadonlyMap<string, BundlePayload["files"][number]> {
  return new Map(manifest.files.map((file) => [file.path, file]));
}

function fileChange(
  path: string,
  before: BundlePayload["files"][number] | undefined,
  after: BundlePayload["files"][number] | undefined,
): readonly FileChange[] {
  if (before === undefined) return after === undefined ? [] : [{ path, change: "added", after }];
  if (after === undefined) return [{ path, change: "removed", before }];
  if (before.sha256 !== after.sha256) return [{ path, change: "content", before, after }];
  return before.mode === after.mode ? [] : [{ path, change: "mode", before, after }];
}

const SIGNS = { added: "+", removed: "-", content: "~", mode: "~" } as const;
const STYLES = { added: "good", removed: "bad", content: "warn", mode: "warn" } as const;

export function diffText(diff: BundleDiff, terminal: Pick<Terminal, "colour" | "unicode">, nameOf: (hostId: string) => string = (hostId) => hostId): string {
  const arrow = terminal.unicode ? "→" : "->";
  const lines = diff.files.map((file) => {
    const remark =
      file.change === "mode"
        ? `  mode ${octal(file.before?.mode)} ${arrow} ${octal(file.after?.mode)}`
        : file.change === "content" && file.before?.mode !== file.after?.mode
          ? `  and mode ${octal(file.before?.mode)} ${arrow} ${octal(file.after?.mode)}`
          : "";
    return `  ${paint(terminal, STYLES[file.change], `${SIGNS[file.change]} ${escapeUntrusted(file.path)}`)}${remark}`;
  });
  const secrets = [
    ...diff.secretsGained.map((host) => `  ${paint(terminal, "good", "+")} secrets for ${escapeUntrusted(nameOf(host))}`),
    ...diff.secretsLost.map((host) => `  ${paint(terminal, "bad", "-")} secrets for ${escapeUntrusted(nameOf(host))}`),
  ];
  return [...lines, ...secrets, `  ${diffCounts(diff)}`].join("\n");
}

export function diffCounts(diff: BundleDiff): string {
  const of = (...changes: readonly FileChange["change"][]): number => diff.files.filter(({ change }) => changes.includes(change)).length;
  if (isSame(diff)) return "Nothing differs";
  const parts = (
    [
      ["added", of("added")],
      ["changed", of("content", "mode")],
      ["removed", of("removed")],
    ] as const
  ).flatMap(([what, number]) => (number === 0 ? [] : [`${number} ${what}`]));
  return parts.length === 0 ? "No file differs" : `${count(diff.files.length, "file")}: ${parts.join(", ")}`;
}

export function diffData(diff: BundleDiff): Readonly<Record<string, unknown>> {
  return {
    from: diff.from,
    to: diff.to,
    items: diff.files.map(({ path, change, before, after }) => ({
      path,
      change,
      before: before === undefined ? null : { sha256: before.sha256, size: before.size, mode: octal(before.mode) },
      after: after === undefined ? null : { sha256: after.sha256, size: after.size, mode: octal(after.mode) },
    })),
    secretsGained: diff.secretsGained,
    secretsLost: diff.secretsLost,
  };
}

function octal(mode: number | undefined): string {
  return (mode ?? 0).toString(8).padStart(4, "0");
}
