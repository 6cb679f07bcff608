import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BINARY, projectRoot, RealFleet } from "./fleet/real-fleet.ts";
import { stopLine } from "./fleet/stop-line.ts";

/**
 * The whole story with real processes in one scratch directory: a hub, a box, a workstation; enrollment by five words, a fleet published and
 * converged, a signed command run, the hub killed, the box mending itself without it, the hub back. `--once` cleans up and ends; otherwise everything runs on.
 * Usage: scripts/quickstart [--once] [--verbose]
 */

const once = process.argv.includes("--once");
const verbose = process.argv.includes("--verbose");
const unknown = process.argv.slice(2).filter((word) => !["--once", "--verbose"].includes(word));
if (unknown.length > 0) {
  process.stderr.write(`Cannot use ${unknown.join(" ")}. Usage: scripts/quickstart [--once] [--verbose]\n`);
  process.exit(2);
}

const say = (text: string): void => void process.stdout.write(`${text}\n`);
const chapter = (title: string): void => say(`\n▸ ${title}`);
const indent = (text: string): string => text.trimEnd().replaceAll(/^/gm, "    ");

build();
const dir = mkdtempSync(join(tmpdir(), "felhom-quickstart-"));
const fleet = new RealFleet({
  dir,
  onCommand: (line, { stdout, stderr }) => {
    say(`  $ ${line.replaceAll(dir, "$DIR").replace(/felhom-join-[a-z0-9]{8,}/, "$JOIN_CODE")}`);
    const text = verbose ? stderr + stdout : stdout !== "" ? stdout : stderr;
    if (text.trim() !== "") say(indent(text.replaceAll(dir, "$DIR").replaceAll(/(felhom-join-[a-z0-9]{24})[a-z0-9]+/g, "$1…")));
  },
});

try {
  await tell();
} catch (error) {
  process.stderr.write(`\nThe quickstart failed: ${error instanceof Error ? error.message : String(error)}\n${fleet.logTails()}\n`);
  await fleet.stop({ keep: true });
  process.stderr.write(`Logs are left in ${dir}\n`);
  process.exit(1);
}

async function tell(): Promise<void> {
  say(`Everything happens in DIR=${dir}; nothing outside it is touched.`);
  chapter("A hub on this machine, and an operator with a key (the hub never sees it)");
  await fleet.start();
  chapter("A box asks to join; its five words are compared; the operator signs its certificate");
  const box = fleet.enroll("box-1", { site: "cellar" });
  await fleet.startWatchdog(box);
  say("  (the box now runs `felhom watchdog`, which keeps `felhom agent` alive)");
  chapter("A fleet directory: checked, planned, signed, published");
  const { fleetDir, target } = writeFleet();
  await fleet.until("the box has told its facts", () => Promise.resolve(/"facts":\{/.test(fleet.quietly(["host", "show", "box-1", "-o", "json"]))));
  fleet.operator(["check", fleetDir]);
  fleet.operator(["plan", fleetDir], [0, 3]);
  fleet.publish(fleetDir);
  const motd = join(target, "motd");
  await fleet.until("the box has converged", () => Promise.resolve(existsSync(motd)));
  await fleet.until("its report has arrived", () => Promise.resolve(/"inForce":1/.test(fleetHealth())));
  say(`\n  ${motd.replace(dir, "$DIR")} on the box now reads:`);
  say(indent(readFileSync(motd, "utf8")));
  fleet.operator(["host", "list"]);
  chapter("One instruction, signed here, run there once, answered with the box's own signature");
  fleet.operator(["run", "box-1", "cmd.run", "--yes", "--passphrase-file", fleet.passphraseFile, "--", "uptime", "-p"]);
  chapter("The hub dies, the agent is killed, and somebody edits the file by hand");
  await fleet.kill("hub", "SIGKILL");
  const wanted = readFileSync(motd, "utf8");
  writeFileSync(motd, "edited by hand\n");
  const agentPid = agentPidOf();
  if (agentPid > 0) process.kill(agentPid, "SIGKILL");
  say(`  hub gone, agent ${agentPid} killed with -9, motd damaged`);
  await fleet.until("the box has mended itself", () => Promise.resolve(readFileSync(motd, "utf8") === wanted));
  await fleet.until("the new agent answers", async () => (await fleet.boxStatus(box)) !== undefined);
  say("  the watchdog started the agent again, and the agent put the file right with no hub in sight:");
  fleet.felhom(["status", "--box", ...fleet.boxFlags(box)]);
  chapter("The hub comes back, and hears what happened");
  await fleet.startHub();
  await fleet.until("the report of the mending has arrived", () =>
    Promise.resolve((fleet.quietly(["event", "list", "-o", "json"]).match(/"host\.changed"/g) ?? []).length > 1),
  );
  fleet.operator(["event", "list"]);
  fleet.operator(["host", "list"]);
  await end();
}

async function end(): Promise<void> {
  if (once) {
    await fleet.stop();
    say("\nDone: all processes ended, the scratch directory is gone.");
    return;
  }
  fleet.release();
  const felhom = `FELHOM_HOME=${fleet.home} ${BINARY.replace(`${projectRoot}/`, "")}`;
  say(`
Hub and box are running. To look:
    ${felhom} host list
    ${felhom} host show box-1
    ${felhom} event follow
    ${BINARY.replace(`${projectRoot}/`, "")} status --box --data-dir ${join(dir, "boxes", "box-1")}
To change something: edit ${join(dir, "fleet")}, then
    ${felhom} publish ${join(dir, "fleet")} --passphrase-file ${fleet.passphraseFile}
To stop:
    ${stopLine([fleet.pid("watchdog-box-1"), fleet.pid("hub")], dir)}`);
  process.exit(0);
}

function fleetHealth(): string {
  return fleet.quietly(["host", "list", "-o", "json"]);
}

/** The agent is the watchdog's child. */
function agentPidOf(): number {
  const watchdog = fleet.pid("watchdog-box-1");
  const found = Bun.spawnSync(["sh", "-c", `cat /proc/${watchdog}/task/*/children`])
    .stdout.toString()
    .trim()
    .split(/\s+/)[0];
  return Number(found ?? 0);
}

function writeFleet(): { readonly fleetDir: string; readonly target: string } {
  const [fleetDir, target] = [join(dir, "fleet"), join(dir, "box-files")];
  const write = (path: string, text: string): void => {
    mkdirSync(join(fleetDir, path, ".."), { recursive: true });
    writeFileSync(join(fleetDir, path), text);
  };
  write("fleet.yaml", "name: sample\nlevels: [common, 'site/{label.site}']\n");
  write("targets.yaml", `- match: "label.site == 'cellar'"\n  states: [base]\n`);
  write("settings/common.yaml", 'owner: "nobody in particular"\n');
  write("settings/site/cellar.yaml", 'owner: "the person with the cellar key"\n');
  write(
    "states/base.yaml",
    `folder:\n  directory:\n    path: ${target}\n    mode: "0755"\nmotd:\n  file:\n    path: ${join(target, "motd")}\n    template: files/motd.liquid\n    mode: "0644"\nlink:\n  symlink:\n    path: ${join(target, "welcome")}\n    target: motd\n`,
  );
  write(
    "files/motd.liquid",
    "This is {{ host.name }}, a {{ facts.os.name }} box on site {{ labels.site }}.\nIt belongs to {{ settings.owner }}, and felhom keeps it that way.\n",
  );
  return { fleetDir, target };
}

function build(): void {
  if (existsSync(BINARY) && isNewer()) return;
  say("▸ Building dist/felhom (some seconds)");
  const built = Bun.spawnSync([process.execPath, join(projectRoot, "build/build.ts")], { stdout: "ignore", stderr: "inherit" });
  if (built.exitCode !== 0) process.exit(1);
}

/** Whether the binary is newer than every source of the product. */
function isNewer(): boolean {
  const find = ["find", "main.ts", "agent", "hub", "operator", "shared", "build", "package-lock.json", "-newer", BINARY, "-name", "*.ts", "-print", "-quit"];
  return Bun.spawnSync(find, { cwd: projectRoot }).stdout.toString() === "";
}
