import { ageOf, ago, byteSize, count, isoTime, until } from "../../../shared/cli/age.ts";
import { fields, table, type Cell } from "../../../shared/cli/table.ts";
import type { Terminal } from "../../../shared/ports/terminal.ts";
import type { BundleItem } from "../../../shared/protocol/api/fleet.ts";
import type { BundlePayload } from "../../../shared/trust/payloads.ts";

type Paper = Pick<Terminal, "outIsTty" | "columns" | "colour" | "unicode">;

/** Bundles as tables. `message` and paths were signed by an operator, but anybody's text is escaped on the way to a screen. */
export function bundleListText(bundles: readonly BundleItem[], nowMs: number, paper: Paper): string {
  const rows = bundles.map((bundle): readonly Cell[] => [
    bundle.version,
    ageOf(bundle.created_at, nowMs),
    bundle.files,
    byteSize(bundle.bytes),
    bundle.hosts_in_force,
    { text: until(bundle.expires_at, nowMs), style: bundle.expires_at <= nowMs ? "bad" : "plain" },
    bundle.signers.map((signer) => signer.slice(0, 8)).join(" "),
    bundle.message,
  ]);
  return table(
    [
      { title: "VERSION", align: "right" },
      { title: "AGE", align: "right" },
      { title: "FILES", align: "right", drop: 3 },
      { title: "SIZE", align: "right", drop: 2 },
      { title: "HOSTS", align: "right" },
      { title: "EXPIRES" },
      { title: "SIGNED BY", drop: 1 },
      { title: "MESSAGE", flex: true, least: 12 },
    ],
    rows,
    paper,
  );
}

export function bundleItemData(bundle: BundleItem): Readonly<Record<string, unknown>> {
  return {
    version: bundle.version,
    createdAt: isoTime(bundle.created_at),
    expiresAt: isoTime(bundle.expires_at),
    receivedAt: isoTime(bundle.received_at),
    message: bundle.message,
    files: bundle.files,
    bytes: bundle.bytes,
    signers: bundle.signers,
    hostsInForce: bundle.hosts_in_force,
  };
}

export function bundleText(
  bundle: BundlePayload,
  shown: { readonly signers: readonly string[]; readonly hostsInForce: number; readonly nowMs: number; readonly paper: Paper },
): string {
  const { nowMs, paper } = shown;
  const bytes = bundle.files.reduce((sum, { size }) => sum + size, 0);
  const head = fields(
    [
      ["bundle", String(bundle.version)],
      ["signed", { text: `${paper.unicode ? "✓" : "+"} verified, by ${shown.signers.join(", ")}`, style: "good" }],
      ["made", `${isoTime(bundle.created_at)}, ${ago(bundle.created_at, nowMs)}`],
      ["expires", { text: `${isoTime(bundle.expires_at)}, ${until(bundle.expires_at, nowMs)}`, style: bundle.expires_at <= nowMs ? "bad" : "plain" }],
      ["message", bundle.message],
      ["in force", `on ${count(shown.hostsInForce, "host")}, as the hub says`],
      ["secrets", `sealed for ${count(Object.keys(bundle.secrets).length, "host")}`],
      ["files", `${bundle.files.length}, ${byteSize(bytes)}`],
    ],
    paper,
  );
  const rows = bundle.files.map((file): readonly Cell[] => [file.path, file.mode.toString(8).padStart(4, "0"), byteSize(file.size), file.sha256.slice(0, 12)]);
  return `${head}\n\n${table([{ title: "PATH", flex: true, least: 24 }, { title: "MODE" }, { title: "SIZE", align: "right" }, { title: "SHA-256", drop: 1 }], rows, paper)}`;
}
