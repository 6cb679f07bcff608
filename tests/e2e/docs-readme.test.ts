/**
 * The README's session, read from the page and run command by command with the compiled binary. What the page shows is looked for in
 * what is printed, line by line and in order; a `…` on a line of its own stands for lines that the page leaves out. FELHOM_SHOW_SESSION=1 prints all that was printed, to renew the page from.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BINARY, projectRoot, RealFleet } from "../../scripts/fleet/real-fleet.ts";

/** Where the session's hub listens and its box keeps a file: here, in a place of their own. */
const SHOWN_HUB = "https://127.0.0.1:8443";
const SHOWN_PLACE = "/tmp/hello";
const PATIENCE_MS = 120_000;

const fleet = new RealFleet();
const pids = { watchdog: 0 };

beforeAll(async () => {
  await fleet.start();
  mkdirSync(join(fleet.dir, "bin"));
  symlinkSync(BINARY, join(fleet.dir, "bin", "felhom"));
  const write = (path: string, text: string): void => {
    mkdirSync(join(fleet.dir, "fleet", path, ".."), { recursive: true });
    writeFileSync(join(fleet.dir, "fleet", path), text);
  };
  write("fleet.yaml", "name: sample\nlevels: [common]\n");
  write("targets.yaml", `- match: "label.site == 'cellar'"\n  states: [hello]\n`);
  write("settings/common.yaml", "owner: Anna\n");
  const file = `motd:\n  file:\n    path: ${here(`${SHOWN_PLACE}/motd`)}\n    template: files/motd.liquid\n    mode: "0644"\n`;
  write("states/hello.yaml", `folder:\n  directory:\n    path: ${here(SHOWN_PLACE)}\n    mode: "0755"\n${file}`);
  write("files/motd.liquid", "This is {{ host.name }} in the {{ labels.site }}. It belongs to {{ settings.owner }}.\n");
}, 240_000);
afterAll(async () => {
  if (pids.watchdog > 0 && existsSync(`/proc/${pids.watchdog}`)) process.kill(pids.watchdog, "SIGTERM");
  while (existsSync(`/proc/${pids.watchdog}`)) await Bun.sleep(50);
  await fleet.stop();
}, 240_000);

interface Step {
  readonly prompt: string;
  readonly command: string;
  readonly shown: readonly string[];
}

function session(): readonly Step[] {
  const page = readFileSync(join(projectRoot, "README.md"), "utf8");
  const block = /^## A session\n[\s\S]*?^```\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? "";
  const steps: { prompt: string; command: string; shown: string[] }[] = [];
  for (const line of block.split("\n")) {
    const begins = /^((?:box|server)?\$) (.*)$/.exec(line);
    if (begins !== null) steps.push({ prompt: begins[1] ?? "", command: begins[2] ?? "", shown: [] });
    else if (line.trim() !== "") steps.at(-1)?.shown.push(line);
  }
  return steps;
}

function here(text: string): string {
  return text.replaceAll(SHOWN_HUB, fleet.hubUrl).replaceAll(SHOWN_PLACE, join(fleet.dir, "hello"));
}

function run({ prompt, command }: Step, words: ReadonlyMap<string, string>): { readonly code: number; readonly output: string } {
  const typed = here(command.replaceAll(WORDS, (shown) => words.get(shown) ?? shown));
  const background = join(fleet.dir, "background.pid");
  const done = Bun.spawnSync(["sh", "-c", `exec 2>&1\n${typed}\ncode=$?\n[ -z "\${!:-}" ] || echo $! > ${background}\nexit $code`], {
    cwd: fleet.dir,
    stdin: "ignore",
    timeout: PATIENCE_MS,
    env: {
      PATH: `${join(fleet.dir, "bin")}:${process.env["PATH"] ?? "/usr/bin:/bin"}`,
      HOME: fleet.dir,
      FELHOM_HOME: fleet.home,
      LANG: "C.UTF-8",
      NO_COLOR: "1",
      ...(prompt === "box$" ? { FELHOM_DATA_DIR: join(fleet.dir, "box") } : {}),
      HUB_PID: String(fleet.pid("hub")),
      AGENT_PID: agentPid(),
    },
  });
  if (existsSync(background)) pids.watchdog = Number(readFileSync(background, "utf8"));
  return { code: done.exitCode ?? -1, output: done.stdout.toString() };
}

/** The watchdog's child. */
function agentPid(): string {
  if (pids.watchdog === 0) return "";
  return (
    Bun.spawnSync(["sh", "-c", `cat /proc/${pids.watchdog}/task/*/children`])
      .stdout.toString()
      .trim()
      .split(/\s+/)[0] ?? ""
  );
}

const WORDS = /\b[a-z]+(?:-[a-z]+){4}\b/g;

/** What is another in every run: keys, words, times, sizes, process ids, and the width of columns that hold them. */
function plain(line: string): string {
  return line
    .replaceAll(/\bh-[a-z2-7]{16}\b/g, "HOST")
    .replaceAll(/\bf-[a-z2-7]{16}\b/g, "FLEET")
    .replaceAll(/\bo-[a-z2-7]{16}\b/g, "OP")
    .replaceAll(WORDS, "WORDS")
    .replaceAll(/\b\d+(?:\.\d+)? (?:ms|s|min|h|d|y|B|KiB|MiB)\b/g, "MUCH")
    .replaceAll(/\b(pid|start) \d+/g, "$1 N")
    .replaceAll(/\s+/g, " ")
    .trim();
}

/** The first shown line that is not there, or undefined. */
function missing(shown: readonly string[], output: string): string | undefined {
  const printed = output.split("\n").map(plain);
  let at = 0;
  let mayLeaveOut = false;
  for (const line of shown) {
    if (line.trim() === "…") {
      mayLeaveOut = true;
      continue;
    }
    while (printed[at] === "") at += 1;
    const wanted = plain(here(line));
    const found = mayLeaveOut ? printed.indexOf(wanted, at) : printed[at] === wanted ? at : -1;
    if (found < 0) return line;
    at = found + 1;
    mayLeaveOut = false;
  }
  return mayLeaveOut || printed.slice(at).every((line) => line === "") ? undefined : `nothing more after ${shown.at(-1)}`;
}

test("what the README shows is what happens", async () => {
  const steps = session();
  expect(steps.length).toBeGreaterThanOrEqual(10);
  const words = new Map<string, string>();
  for (const step of steps) {
    let ran = run(step, words);
    let lacks = missing(step.shown, ran.output);
    // Somebody who looks too early looks again.
    const looks = /^(?:cat|felhom (?:plan|host list|status|event list))\b/.test(step.command);
    for (const startedMs = performance.now(); looks && lacks !== undefined && performance.now() - startedMs < PATIENCE_MS; await Bun.sleep(100)) {
      ran = run(step, words);
      lacks = missing(step.shown, ran.output);
    }
    if (process.env["FELHOM_SHOW_SESSION"] !== undefined) process.stdout.write(`${step.prompt} ${step.command}\n${ran.output}\n`);
    expect([step.command, lacks, lacks === undefined ? "" : ran.output]).toEqual([step.command, undefined, ""]);
    const shownWords = step.shown.join("\n").match(WORDS)?.[0];
    const newWords = ran.output.match(WORDS)?.[0];
    if (shownWords !== undefined && newWords !== undefined) words.set(shownWords, newWords);
  }
}, 600_000);
