import { fromUtf8 } from "../../shared/core/bytes.ts";
import { isFault } from "../../shared/core/fault.ts";
import { NAME } from "../../shared/core/ids.ts";
import type { Files } from "../../shared/ports/files.ts";
import type { StateFault } from "../../shared/states/state-fault.ts";
import { oddValue, withoutPrototypes } from "../../shared/states/yaml/parse-yaml.ts";
import type { CheckHost } from "../core/fleet-check/sample-hosts.ts";

/**
 * `facts/<host>.json` of a fleet directory: hosts that were recorded to check against, as `felhom local facts --json` or
 * `felhom facts --json` print them. Labels that they lack may be added by hand: `{ "labels": { … }, "facts": { … } }`.
 */
const FILE_BYTES_MAX = 1024 * 1024;
const FILES_MAX = 1_000;

export function readRecordedHosts(files: Files, dir: string): { readonly hosts: readonly CheckHost[]; readonly faults: readonly StateFault[] } {
  const hosts: CheckHost[] = [];
  const faults: StateFault[] = [];
  if (files.stat("check.stat", `${dir}/facts`)?.kind !== "directory") return { hosts, faults };
  for (const name of files
    .list("check.list", `${dir}/facts`)
    .filter((one) => one.endsWith(".json"))
    .slice(0, FILES_MAX)) {
    const read = readHost(files, dir, `facts/${name}`);
    if ("message" in read) faults.push(read);
    else hosts.push(read);
  }
  return { hosts, faults };
}

function readHost(files: Files, dir: string, file: string): CheckHost | StateFault {
  const fault = (message: string): StateFault => ({ file, line: 0, path: "", message });
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(files.read("check.read", `${dir}/${file}`, { bytesMax: FILE_BYTES_MAX })));
  } catch (error) {
    if (isFault(error, "file_too_large")) return fault(`has more than ${FILE_BYTES_MAX} bytes`);
    if (error instanceof SyntaxError || error instanceof TypeError) return fault("is not JSON");
    throw error;
  }
  const odd = oddValue(value, [], 0);
  if (odd !== undefined) return fault(`${odd.path.join(".")} ${odd.message}`);
  const safe = withoutPrototypes(value);
  if (!isMap(safe) || !isMap(safe["facts"])) return fault("has no facts: write what `felhom local facts DIR --json` prints");
  const labels = safe["labels"] ?? {};
  if (!isLabels(labels)) return fault("has labels that are not texts");
  const recorded = isMap(safe["host"]) ? safe["host"]["name"] : undefined;
  const name = typeof recorded === "string" && recorded !== "" ? recorded : file.slice("facts/".length, -".json".length);
  return NAME.test(name)
    ? { name, labels, facts: safe["facts"], isSample: false }
    : fault(`names the host ${JSON.stringify(name)}, which no host can be called`);
}

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === "object" && value !== null && !Array.isArray(value);
const isLabels = (value: unknown): value is Readonly<Record<string, string>> => isMap(value) && Object.values(value).every((one) => typeof one === "string");
