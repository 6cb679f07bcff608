/**
 * `ledger.json`, beside agent.db: that ops were recorded here, how many, and where their log stood. Written durably before the effect
 * of every op that is not idempotent, so that a database which was lost, or put back, never passes for one in which nothing happened.
 */
import { fromUtf8, utf8 } from "../../../shared/core/bytes.ts";
import { isFault } from "../../../shared/core/fault.ts";
import { sha256HexOfText } from "../../../shared/core/sha256.ts";
import { durableWrite } from "../../../shared/edge/durable-write.ts";
import { OP_LOG_START, type OpLogHead } from "../../../shared/ops/op-log.ts";
import type { World } from "../../../shared/ports/world.ts";
import { paths } from "../../core/desired/paths.ts";
import type { LedgerSeen } from "../../core/ops/ledger-standing.ts";
import { isCount, isPlain, isText, parseJson } from "../../../shared/protocol/plain-json.ts";

export interface LedgerMarker {
  readonly generation: number;
  readonly floorMs: number;
  readonly fromMs: number;
  readonly incident: LedgerSeen["incident"];
  readonly log: OpLogHead;
}

const BYTES_MAX = 4_096;

/** `undefined`: there is none. `damaged`: it is not what was written. Disk faults are thrown. */
export function readMarker(world: World, dataDir: string): LedgerMarker | "damaged" | undefined {
  try {
    return decode(fromUtf8(world.files.read("ledger.marker", paths(dataDir).ledgerMarker, { bytesMax: BYTES_MAX }))) ?? "damaged";
  } catch (error) {
    if (isFault(error, "file_missing")) return undefined;
    if (error instanceof TypeError || isFault(error, "file_too_large") || isFault(error, "file_not_regular")) return "damaged";
    throw error;
  }
}

export function writeMarker(world: World, dataDir: string, marker: LedgerMarker): void {
  const body = JSON.stringify(marker);
  const text = `${JSON.stringify({ v: 1, body, sha256: sha256HexOfText(body) })}\n`;
  durableWrite(world.files, world.crypto, "ledger.marker", paths(dataDir).ledgerMarker, utf8(text), { mode: 0o600 });
}

function decode(text: string): LedgerMarker | undefined {
  const outer = parseJson(text);
  if (!isPlain(outer) || outer["v"] !== 1 || !isText(outer["body"], BYTES_MAX) || outer["sha256"] !== sha256HexOfText(outer["body"])) return undefined;
  const value = parseJson(outer["body"]);
  if (!isPlain(value) || !isCount(value["generation"]) || !isCount(value["floorMs"]) || !isCount(value["fromMs"])) return undefined;
  const { incident, log } = value;
  const head = isPlain(log) && isCount(log["seq"]) && isText(log["hash"], 64) ? { seq: log["seq"], hash: log["hash"] } : OP_LOG_START;
  const known =
    isPlain(incident) && isText(incident["id"], 64)
      ? { is: incident["is"] === "behind" ? ("behind" as const) : ("damaged" as const), id: incident["id"] }
      : undefined;
  return { generation: value["generation"], floorMs: value["floorMs"], fromMs: value["fromMs"], incident: known, log: head };
}
