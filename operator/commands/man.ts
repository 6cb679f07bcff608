import type { Run } from "../../shared/cli/command.ts";
import { count } from "../../shared/cli/age.ts";
import { present } from "../../shared/cli/present.ts";
import { Fault } from "../../shared/core/fault.ts";
import { utf8 } from "../../shared/core/bytes.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { VERSION } from "../../shared/version.ts";
import { argList, optionText } from "../core/cli/option-values.ts";
import { manPages } from "../core/docs/man-page.ts";

/** roff on stdout, or one file per page. */
export const run: Run = async (call) => {
  const pages = manPages((await call.catalogue?.()) ?? [], VERSION);
  const words = argList(call, "words").filter((word) => word !== "felhom");
  const file = `${["felhom", ...words].join("-")}.1`;
  const chosen = call.options["all"] === true ? pages : pages.filter((page) => page.file === file);
  if (chosen.length === 0)
    throw new Fault("not_found", `Cannot find a manual page of felhom ${words.join(" ")}`, { remedy: "felhom help lists all commands." });
  const dir = optionText(call, "dir");
  if (dir === undefined) {
    for (const { text } of chosen) call.terminal.out(text);
    return 0;
  }
  const path = dir.startsWith("/") ? dir : `${call.cwd}/${dir}`;
  if (call.world.files.stat("man.dir", path, { follow: true }) === undefined) call.world.files.makeDir("man.dir", path, 0o755);
  for (const page of chosen) durableWrite(call.world.files, call.world.crypto, "man.write", `${path}/${page.file}`, utf8(page.text), { mode: 0o644 });
  present(call, {
    kind: "ManualPages",
    data: { dir: path, items: chosen.map((page) => page.file) },
    human: () => `  ${count(chosen.length, "page")} written to ${path}`,
  });
  return 0;
};
