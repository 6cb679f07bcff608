/** What the `local` commands share: from options to the input of a converge run on this machine, with no hub. */
import { resolve } from "node:path";
import * as z from "zod/mini";
import type { Call } from "../../shared/cli/command.ts";
import { hint } from "../../shared/cli/present.ts";
import { fromUtf8 } from "../../shared/core/bytes.ts";
import { Fault } from "../../shared/core/fault.ts";
import { NAME } from "../../shared/core/ids.ts";
import { labels as labelsSchema } from "../../shared/protocol/fields.ts";
import { parseYaml } from "../../shared/states/yaml/parse-yaml.ts";
import type { ConvergeInput } from "../edge/converge/converge.ts";
import { CUSTOM_FACTS_DIR } from "../edge/facts/custom.ts";
import { listOption, textArgument, textOption } from "./option.ts";

type Common = Pick<ConvergeInput, "treeDir" | "host" | "labels" | "secrets" | "factsDirs" | "render">;

const SECRETS_BYTES_MAX = 4 * 1024 * 1024;
/** `nobody` on every Linux that we know of. */

export async function localInput(call: Call): Promise<Common> {
  const { world } = call;
  const treeDir = resolve(call.cwd, textArgument(call, "dir"));
  if (world.files.stat("local.dir", treeDir, { follow: true })?.kind !== "directory")
    throw new Fault("not_found", `Cannot use ${treeDir}: it is not a directory`, { remedy: "felhom init DIR writes one with a working example" });
  const factsDirs = listOption(call, "facts-dir");
  return {
    treeDir,
    host: { id: "local", name: hostName(call) },
    labels: labelsOf(call),
    secrets: await secretsOf(call),
    factsDirs: factsDirs.length === 0 ? [CUSTOM_FACTS_DIR] : factsDirs.map((dir) => resolve(call.cwd, dir)),
    render: { argv: [...world.self.exe, "render"] },
  };
}

function hostName(call: Call): string {
  const given = textOption(call, "name");
  if (given !== undefined && !NAME.test(given))
    throw new Fault("bad_request", `Cannot be host ${JSON.stringify(given)}: a name has lower-case letters, digits, dots and dashes`);
  if (given !== undefined) return given;
  const hostname = fromUtf8(call.world.files.read("local.hostname", "/proc/sys/kernel/hostname", { bytesMax: 256 }))
    .trim()
    .toLowerCase();
  return NAME.test(hostname) ? hostname : "localhost";
}

function labelsOf(call: Call): Readonly<Record<string, string>> {
  const pairs = listOption(call, "label").map((pair): [string, string] => {
    const cut = pair.indexOf("=");
    if (cut < 1) throw new Fault("bad_request", `Cannot read label ${JSON.stringify(pair)}: it is not KEY=VALUE`);
    return [pair.slice(0, cut), pair.slice(cut + 1)];
  });
  const parsed = z.safeParse(labelsSchema, Object.fromEntries(pairs));
  if (!parsed.success) throw new Fault("bad_request", `Cannot use these labels: ${parsed.error.issues[0]?.message ?? "one is not right"}`);
  return parsed.data;
}

async function secretsOf(call: Call): Promise<Readonly<Record<string, string>>> {
  const given = textOption(call, "secrets-file");
  if (given === undefined) return {};
  const path = resolve(call.cwd, given);
  const mode = call.world.files.stat("local.secrets", path, { follow: true })?.mode ?? 0;
  if ((mode & 0o077) !== 0) hint(call, `${given} can be read by others: chmod 600 ${given}`);
  const document = await parseYaml(given, fromUtf8(call.world.files.read("local.secrets", path, { bytesMax: SECRETS_BYTES_MAX, follow: true })));
  const parsed = document.ok ? z.safeParse(z.record(z.string().check(z.regex(NAME)), z.string()), document.value.value) : undefined;
  // Not the parser's own words: they may quote the line, and the line is a secret.
  if (parsed?.success !== true) throw new Fault("bad_request", `Cannot read ${given}: it is not a map of secret names to texts`);
  return parsed.data;
}
