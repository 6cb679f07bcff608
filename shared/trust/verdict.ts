/** Why something signed was refused. Each check has its own code, so that a test can say which one fired. */
export const REFUSALS = {
  // envelope
  envelope_malformed: "The envelope is not well-formed DSSE JSON.",
  envelope_too_large: "The envelope is above its type's size limit.",
  wrong_type: "The payload type is not the one expected here.",
  // signatures
  key_unknown: "No signature is by a key of the current root in the needed role.",
  key_unsafe: "A public key is not canonical or is of low order.",
  signature_bad: "A signature by a known key does not verify.",
  threshold_not_met: "Too few distinct keys signed.",
  // payload
  payload_bad_version: "The payload's own version is not one this program knows.",
  payload_duplicate_key: "The JSON payload names a key twice.",
  payload_not_json: "The payload is not JSON.",
  payload_not_utf8: "The payload is not well-formed UTF-8, or starts with a byte-order mark.",
  payload_schema: "The payload does not match its schema.",
  payload_too_deep: "The payload nests deeper than 32 levels.",
  payload_unsafe_number: "The payload holds a number that is not exact.",
  // binding
  fleet_mismatch: "It was signed for another fleet.",
  host_mismatch: "It was signed for another host.",
  host_revoked: "This host was revoked here.",
  key_mismatch: "The keys named in it are not this host's keys.",
  // time and order
  expired: "Its validity has ended.",
  from_future: "It is dated in the future.",
  below_floor: "It is older than something already accepted.",
  lifetime_too_long: "Its validity is longer than allowed.",
  version_not_newer: "Its version is not above the one in force.",
  version_step: "Its version skips too far ahead, or a root does not follow the one in force.",
  // root
  root_duplicate_key: "The root lists one public key under two ids, or an id that is not its key's.",
  root_hash_mismatch: "Root version 1 is not the one that was pinned.",
  root_role_unsatisfiable: "A role's threshold is above its number of keys, or a role names an unlisted key.",
  // grants
  grant_expired: "The grant has expired.",
  grant_mismatch: "The admission does not belong to this grant.",
  // sealed secrets
  secret_unopenable: "The sealed secrets do not open with this host's box key.",
  secret_misplaced: "The sealed secrets were made for another host, fleet or bundle.",
  // join codes
  join_code_damaged: "The join code was not copied whole.",
  join_code_malformed: "This is not a join code.",
  join_code_newer: "The join code was made by a newer felhom.",
  // ops
  op_target_mismatch: "It is not aimed at this host.",
  op_replayed: "Its id or nonce was already seen on this host.",
  op_mismatch: "It answers another op than the one that was asked.",
  op_kind_unknown: "This program does not know that kind of op.",
  op_params: "Its parameters do not match the kind's schema.",
  op_policy: "This host's local policy does not allow it.",
  op_precondition: "A precondition of this host does not hold: no free disk, or a lock is held.",
  op_ledger_unsafe: "The record of what was already done was damaged or put back to an older copy; only a signed recovery is taken.",
  op_clock_unset: "This host's clock is behind something it already accepted, so validity cannot be judged.",
  // bundle content
  blob_mismatch: "A file's bytes are not those the manifest names.",
  blob_missing: "A file that the manifest names has not been fetched.",
  path_unsafe: "A path would leave its directory or clash with another.",
} as const;

export type Refusal = keyof typeof REFUSALS;

export type Verdict<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly refusal: Refusal; readonly detail: string };

export const accept = <T>(value: T): Verdict<T> => ({ ok: true, value });
export const refuse = (refusal: Refusal, detail = ""): { readonly ok: false; readonly refusal: Refusal; readonly detail: string } => ({
  ok: false,
  refusal,
  detail,
});
