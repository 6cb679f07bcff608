import { NATS_URLS_MAX, SEALED_CREDENTIALS_CHARS_MAX } from "../../../shared/protocol/nats-urls.ts";
import type { HostSpec } from "../../../shared/protocol/spec.ts";
import type { SyncReply } from "../../../shared/protocol/sync.ts";
import { isCount, isEnvelope, isList, isPlain, isText } from "../../../shared/protocol/plain-json.ts";

const ROOTS_MAX = 64;
const OPS_MAX = 64;
const CANCELLED_MAX = 256;

/** A sync's reply as far as the resident reads it. Documents keep their form and are judged by the worker. A test holds this to the schema in shared/protocol. */
export function decodeSyncReply(value: unknown): SyncReply | undefined {
  if (!isPlain(value)) return undefined;
  const {
    v,
    protocol,
    min_protocol,
    hub_epoch,
    acked_seq,
    next_ms,
    roots,
    host_cert,
    bundle,
    spec,
    want_offer,
    ops,
    cancelled,
    ledger_generation,
    nats,
    echo,
  } = value;
  if (!isCount(v) || !isCount(protocol) || !isCount(min_protocol) || !isCount(hub_epoch) || !isCount(acked_seq) || !isCount(next_ms)) return undefined;
  if (roots !== undefined && !isList(roots, ROOTS_MAX, isEnvelope)) return undefined;
  if (host_cert !== undefined && !isEnvelope(host_cert)) return undefined;
  if (bundle !== undefined && !isEnvelope(bundle)) return undefined;
  if (spec !== undefined && !isSpec(spec)) return undefined;
  if (want_offer !== undefined && typeof want_offer !== "boolean") return undefined;
  if (ops !== undefined && !isList(ops, OPS_MAX, isEnvelope)) return undefined;
  if (cancelled !== undefined && !isList(cancelled, CANCELLED_MAX, (id) => isText(id, 32))) return undefined;
  if (ledger_generation !== undefined && !isCount(ledger_generation)) return undefined;
  if (nats !== undefined && !isNatsGift(nats)) return undefined;
  if (echo !== undefined && !isText(echo, 64)) return undefined;
  return {
    v,
    protocol,
    min_protocol,
    hub_epoch,
    acked_seq,
    next_ms,
    ...(roots === undefined ? {} : { roots }),
    ...(host_cert === undefined ? {} : { host_cert }),
    ...(bundle === undefined ? {} : { bundle }),
    ...(spec === undefined ? {} : { spec }),
    ...(want_offer === undefined ? {} : { want_offer }),
    ...(ops === undefined ? {} : { ops }),
    ...(cancelled === undefined ? {} : { cancelled }),
    ...(ledger_generation === undefined ? {} : { ledger_generation }),
    ...(nats === undefined ? {} : { nats }),
    ...(echo === undefined ? {} : { echo }),
  };
}

function isNatsGift(value: unknown): value is NonNullable<SyncReply["nats"]> {
  return (
    isPlain(value) &&
    isList(value["urls"], NATS_URLS_MAX, (url) => isText(url, 300)) &&
    value["urls"].length > 0 &&
    isText(value["sealed_credentials"], SEALED_CREDENTIALS_CHARS_MAX) &&
    isCount(value["expires_at"]) &&
    (value["lifetime_ms"] === undefined || isCount(value["lifetime_ms"]))
  );
}

/** Only that it is one: its fields are checked and clamped by the worker, which takes it or refuses it. */
function isSpec(value: unknown): value is HostSpec {
  return isPlain(value) && isCount(value["generation"]);
}
