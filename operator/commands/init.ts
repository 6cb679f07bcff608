import { dirname } from "node:path/posix";
import { count } from "../../shared/cli/age.ts";
import type { Call, Run } from "../../shared/cli/command.ts";
import { escapeUntrusted } from "../../shared/cli/escape.ts";
import { mark } from "../../shared/cli/glyph.ts";
import { present } from "../../shared/cli/present.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { NAME } from "../../shared/core/ids.ts";
import type { Files } from "../../shared/ports/files.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { fleetPath } from "../core/cli/fleet-path.ts";
import { argText, optionText } from "../core/cli/option-values.ts";
import { editorFiles, sampleFleet } from "../core/init/sample-fleet.ts";

/** Writes a fleet directory to begin with. It never overwrites a file, but for `.felhom/` when that is asked for. */
export const run: Run = async (call) => {
  const dir = fleetPath(call);
  const { files } = call.world;
  const renew = call.options["editor-files"] === true;
  const name = optionText(call, "name") ?? nameFrom(dir);
  if (!NAME.test(name))
    throw new Fault("bad_request", `Cannot call a fleet ${name}`, { remedy: "Lower-case letters, digits, - _ and . : felhom init DIR --name NAME" });
  if (renew && files.stat("init.stat", `${dir}/fleet.yaml`) === undefined) throw new Fault("not_found", `Cannot renew editor files: ${dir} has no fleet.yaml`);
  const texts = renew ? editorFiles() : sampleFleet(name);
  const taken = renew ? undefined : Object.keys(texts).find((path) => path !== "README.md" && files.stat("init.stat", `${dir}/${path}`) !== undefined);
  if (taken !== undefined)
    throw new Fault("file_exists", `Cannot make a fleet in ${dir}: ${taken} is there already`, {
      remedy: "Choose an empty directory, or renew .felhom/ only: felhom init DIR --editor-files",
    });
  const written = Object.keys(texts).filter((path) => path !== "README.md" || files.stat("init.stat", `${dir}/${path}`) === undefined);
  if (!call.globals.dryRun) for (const path of written) write(call, `${dir}/${path}`, texts[path] ?? "");
  const said = argText(call, "dir");
  present(call, {
    kind: "FleetInit",
    data: { dir, name, files: written, dryRun: call.globals.dryRun },
    human: () =>
      `${written.map((path) => `    ${path}`).join("\n")}\n  ${mark(call.terminal, "good", `fleet ${escapeUntrusted(name)}`)}  ${count(written.length, "file")} ${call.globals.dryRun ? "would be written to" : "in"} ${escapeUntrusted(dir)}`,
    next: `felhom check${/^[\w./-]+$/.test(said) ? ` ${said}` : ""}`,
  });
  return 0;
};

/** `Our Fleet` → `our-fleet`. */
function nameFrom(dir: string): string {
  const plain = (dir.split("/").at(-1) ?? "")
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, "")
    .slice(0, 63);
  return plain === "" ? "fleet" : plain;
}

function write(call: Pick<Call, "world">, path: string, text: string): void {
  makeDirs(call.world.files, dirname(path));
  durableWrite(call.world.files, call.world.crypto, "init.write", path, utf8(text), { mode: 0o644 });
}

function makeDirs(files: Files, dir: string): void {
  if (files.stat("init.stat", dir, { follow: true }) !== undefined) return;
  makeDirs(files, dirname(dir));
  files.makeDir("init.mkdir", dir, 0o755);
}
