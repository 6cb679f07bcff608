import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY } from "../fleet/real-fleet.ts";
import { type Bench, pairedSeconds } from "./bench.ts";

/** A second `felhom local apply` over 1 000 files that are already right, against `cf-agent` on the same files: whole processes, wall time. */
const FILES = 1_000;

export async function localNoop(): Promise<Bench[]> {
  const dir = mkdtempSync(join(tmpdir(), "felhom-bench-"));
  try {
    const target = join(dir, "target");
    mkdirSync(target);
    const contents = Array.from({ length: FILES }, (_, at) => `managed file ${at}\nsecond line of it\n`);
    writeFelhom(join(dir, "fleet"), target, contents);
    const felhom = [BINARY, "local", "apply", join(dir, "fleet"), "--yes", "-q"];
    const first = Bun.spawnSync(felhom, { stdout: "ignore", stderr: "pipe" });
    if (first.exitCode !== 0) throw new Error(`local apply ended with ${first.exitCode}: ${first.stderr.toString()}`);
    const cf = Bun.which("cf-agent");
    if (cf === null) {
      const alone = pairedSeconds(11, felhom, felhom);
      return [
        { bench: "local.noop_1000_files", value: alone.a, unit: "s", floor: null, floorName: "cf-agent is not installed (Debian: cfengine3)", ratio: null },
      ];
    }
    const policy = writeCfengine(dir, target, contents);
    const { a, b } = pairedSeconds(11, felhom, [cf, "-KI", "-f", policy]);
    return [
      {
        bench: "local.noop_1000_files",
        value: a,
        unit: "s",
        floor: b,
        floorName: "cf-agent on the same 1 000 files",
        ratio: a / b,
        mustReach: { at: "most", ratio: 1 },
      },
    ];
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** `content` in the state itself: the same work for both, no template. */
function writeFelhom(fleet: string, target: string, contents: readonly string[]): void {
  mkdirSync(join(fleet, "states"), { recursive: true });
  writeFileSync(join(fleet, "fleet.yaml"), "name: bench\n");
  writeFileSync(join(fleet, "targets.yaml"), '- match: "true"\n  states: [files]\n');
  const resources = contents.map(
    (content, at) => `file-${at}:\n  file:\n    path: ${target}/f${at}\n    content: ${JSON.stringify(content)}\n    mode: "0644"\n`,
  );
  writeFileSync(join(fleet, "states", "files.yaml"), resources.join(""));
}

/** The same files with the same content and mode, by CFEngine's `files` promises. */
function writeCfengine(dir: string, target: string, contents: readonly string[]): string {
  const promises = contents.map(
    (content, at) =>
      `      "${target}/f${at}" create => "true", edit_defaults => whole, edit_line => lines("${content.trimEnd().replaceAll("\n", "$(const.n)")}"), perms => mode("0644");\n`,
  );
  const policy = join(dir, "promises.cf");
  writeFileSync(
    policy,
    `body common control { bundlesequence => { "bench" }; }
body edit_defaults whole { empty_file_before_editing => "true"; edit_backup => "false"; }
body perms mode(m) { mode => "$(m)"; }
bundle edit_line lines(text) { insert_lines: "$(text)" insert_type => "preserve_block"; }
bundle agent bench
{
  files:
${promises.join("")}}
`,
    { mode: 0o600 },
  );
  return policy;
}
