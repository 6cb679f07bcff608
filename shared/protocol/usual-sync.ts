/**
 * A sync as nearly all of them are, told by a few comparisons: reports and answers come by thousands a second, and the schema library
 * takes a sixth of all that one costs the hub. It says yes only where the schema says yes too, and then to the same value but for
 * members that nobody reads; whatever else comes is the schema's to judge. `usual-sync.test.ts` holds the two against each other.
 */
import { isHostId, OPAQUE_ID } from "../core/ids.ts";
import { isCount, isEnvelope, isList, isPlain, isText, type Plain } from "./plain-json.ts";
import { LOG_ENTRIES_MAX, LOG_ENTRY_CHARS_MAX, OUTBOX_ROWS_MAX, SYNC_WAIT_MS_MAX } from "./sync-limits.ts";
import type { OutboxItem, SyncRequest } from "./sync.ts";

export function isUsualSync(value: unknown): value is SyncRequest {
  return (
    isPlain(value) &&
    // Rare, and large.
    value["offer"] === undefined &&
    isSender(value) &&
    isHave(value["have"]) &&
    isList(value["outbox"], OUTBOX_ROWS_MAX, isOutboxItem) &&
    isOptional(value["ledger"], (ledger) => isPlain(ledger) && isCount(ledger["generation"])) &&
    isOptional(value["nats"], (nats) => isPlain(nats) && typeof nats["want"] === "boolean")
  );
}

function isSender({ v, protocol, host_id, boot_id, run, agent_version, hub_epoch, wait_ms, echo }: Plain): boolean {
  return (
    [v, protocol, run, hub_epoch].every(isCount) &&
    isCount(wait_ms) &&
    wait_ms <= SYNC_WAIT_MS_MAX &&
    typeof host_id === "string" &&
    isHostId(host_id) &&
    typeof boot_id === "string" &&
    OPAQUE_ID.test(boot_id) &&
    isText(agent_version, 64) &&
    isOptional(echo, (text) => isText(text, 64))
  );
}

const isHave = (have: unknown): boolean => isPlain(have) && isCount(have["root"]) && isCount(have["cert"]) && isCount(have["bundle"]) && isCount(have["spec"]);

/** One row, of whichever kind. The box asks it of what it queued, the hub of what came. */
export function isOutboxItem(item: unknown): item is OutboxItem {
  if (!isPlain(item) || !isCount(item["seq"])) return false;
  const { kind, body } = item;
  switch (kind) {
    case "return":
    case "report":
    case "facts":
      return isEnvelope(body);
    case "op-log":
      return isPlain(body) && isList(body["entries"], LOG_ENTRIES_MAX, (entry) => isText(entry, LOG_ENTRY_CHARS_MAX));
    case "event":
      return isRecord(body, 64, (value) => value === null || isText(value, 2_048) || typeof value === "boolean" || Number.isFinite(value));
    case "metrics":
      return isRecord(body, 128, (value) => Number.isFinite(value));
    default:
      return false;
  }
}

function isRecord(body: unknown, nameCharsMax: number, is: (value: unknown) => boolean): boolean {
  return isPlain(body) && Object.entries(body).every(([name, value]) => name.length <= nameCharsMax && name !== "__proto__" && is(value));
}

const isOptional = (value: unknown, is: (value: unknown) => boolean): boolean => value === undefined || is(value);
