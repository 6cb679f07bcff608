import { dirname, resolve } from "node:path";
import type { Call } from "../../shared/cli/command.ts";
import { fromUtf8, utf8 } from "../../shared/core/bytes.ts";
import { isFault } from "../../shared/core/fault.ts";
import { durableWrite } from "../../shared/edge/durable-write.ts";
import { readRetryState } from "../core/converge/retry.ts";
import type { RetryState } from "../edge/converge/converge.ts";
import { textOption } from "./option.ts";

/**
 * What `local apply` remembers between runs: failures, and reloads that a kill or a failure left pending. There is a file only
 * while there is something to remember; without root and without `--state-file` nothing is kept.
 */
export interface LocalState {
  readonly path: string | undefined;
  readonly retry: RetryState;
}

const ROOT_PATH = "/var/lib/felhom/local-state.json";
const BYTES_MAX = 4 * 1024 * 1024;

export function readLocalState(call: Call): LocalState {
  const given = textOption(call, "state-file");
  const path = given === undefined ? (call.world.self.uid === 0 ? ROOT_PATH : undefined) : resolve(call.cwd, given);
  if (path === undefined) return { path, retry: {} };
  try {
    const kept: unknown = JSON.parse(fromUtf8(call.world.files.read("local.state", path, { bytesMax: BYTES_MAX })));
    return { path, retry: typeof kept === "object" && kept !== null ? { ...kept } : {} };
  } catch (error) {
    // Damage costs an early try, so it is no reason to stop; a file that may not be read is.
    if (isFault(error, "file_missing") || error instanceof SyntaxError || error instanceof TypeError) return { path, retry: {} };
    throw error;
  }
}

export function writeLocalState(call: Call, path: string | undefined, retry: RetryState): void {
  if (path === undefined) return;
  const { files, crypto } = call.world;
  const { failures, triggered } = readRetryState(retry);
  if (Object.keys(failures).length === 0 && triggered.length === 0) {
    files.remove("local.state", path);
    return;
  }
  if (files.stat("local.state", dirname(path), { follow: true }) === undefined) files.makeDir("local.state", dirname(path), 0o700);
  durableWrite(files, crypto, "local.state", path, utf8(`${JSON.stringify(retry)}\n`), { mode: 0o600 });
}
