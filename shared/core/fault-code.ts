/**
 * Every code a `Fault` can carry, with its HTTP status, exit code (cli.md) and one sentence for the reference page.
 * Codes are stable: scripts and tests switch on them. Keep each group sorted.
 */
export const FAULTS = {
  // files
  disk_failed: { status: 500, exit: 1, means: "The disk reported an I/O error. The process stops rather than trust what it wrote." },
  disk_full: { status: 507, exit: 1, means: "No space is left for a write that matters. Nothing was half written." },
  file_denied: { status: 500, exit: 1, means: "The operating system refused access to a file." },
  file_exists: { status: 409, exit: 1, means: "A file that must be new is already there." },
  file_missing: { status: 404, exit: 1, means: "A file that must be there is not." },
  file_not_regular: { status: 400, exit: 1, means: "A symlink, device, pipe or directory stands where a regular file must be." },
  file_too_large: { status: 413, exit: 1, means: "A file is above its bound." },
  file_unsafe: { status: 400, exit: 1, means: "A file or directory can be changed by a user who should not be able to." },
  lock_held: { status: 409, exit: 1, means: "Another felhom process is using this data directory." },
  // databases
  backup_damaged: { status: 400, exit: 1, means: "A backup is incomplete or altered. Nothing of it was used." },
  db_busy: { status: 503, exit: 75, means: "The database stayed locked for too long." },
  db_damaged: { status: 500, exit: 1, means: "The database file is damaged. Restore it from a backup." },
  db_failed: { status: 500, exit: 1, means: "The database refused a statement." },
  db_full: { status: 507, exit: 1, means: "The database's disk is full. Nothing was half written." },
  db_newer: { status: 500, exit: 1, means: "The database was written by a newer felhom. Its data is untouched." },
  // exec
  exec_failed: { status: 500, exit: 1, means: "A program could not be started." },
  exec_missing: { status: 500, exit: 1, means: "A program is not installed." },
  // network
  hub_nonsense: { status: 502, exit: 1, means: "The hub answered something that is not of the agreed form. It may be another version, or not a hub." },
  net_timeout: { status: 504, exit: 75, means: "No answer came within the time limit." },
  net_tls: { status: 502, exit: 7, means: "The server's key is not the one that is pinned, or its certificate is not valid." },
  net_too_large: { status: 502, exit: 1, means: "An answer was larger than its bound." },
  net_unreachable: { status: 503, exit: 75, means: "No connection could be made." },
  // input
  bad_request: { status: 400, exit: 2, means: "The input is not of the form that is asked for." },
  bad_settings: { status: 400, exit: 2, means: "A setting is unknown or has a value that is not allowed." },
  cancelled: { status: 409, exit: 1, means: "The question was not answered with yes." },
  clock_skew: { status: 422, exit: 1, means: "The two clocks are more than ten minutes apart. Set the one that is wrong." },
  interrupted: { status: 499, exit: 130, means: "Ctrl-C, or a request to stop." },
  not_found: { status: 404, exit: 1, means: "There is no such thing." },
  conflict: { status: 409, exit: 9, means: "The thing has moved on since it was read." },
  too_large: { status: 413, exit: 1, means: "The request body is above this route's bound." },
  internal: { status: 500, exit: 1, means: "The hub failed in a way it does not know. Its log has the cause." },
  method_not_allowed: { status: 405, exit: 2, means: "This path is there, but not for this method." },
  pipe_closed: { status: 499, exit: 0, means: "The reader of the output has gone; there is nobody left to answer." },
  precondition_required: { status: 428, exit: 2, means: "An edit must say which generation it edits, with If-Match." },
  rate_limited: { status: 429, exit: 75, means: "Too many requests. Try again after the time that is named." },
  unsupported_media: { status: 415, exit: 2, means: "The body is in a form that this route does not take." },
  unavailable: { status: 503, exit: 75, means: "This cannot be served just now." },
  // access
  challenge_unknown: { status: 401, exit: 7, means: "The challenge is unknown or has expired. Ask for a new one and sign that." },
  denied: { status: 403, exit: 7, means: "This credential may not do that." },
  grant_refused: { status: 403, exit: 7, means: "The grant does not admit this box: it is unknown here, revoked, expired or used up." },
  refused: { status: 422, exit: 7, means: "Something signed did not verify. The refusal says which check fired." },
  left_fleet: { status: 410, exit: 0, means: "This box has left its fleet, as a signed op told it to. Enroll it again to have it back." },
  revoked: { status: 401, exit: 7, means: "This host or credential was revoked." },
  vault_unopenable: { status: 401, exit: 7, means: "The key vault does not open: the passphrase is wrong, or the file was changed." },
  unauthenticated: { status: 401, exit: 7, means: "No valid credential was given." },
  unverified: { status: 422, exit: 7, means: "What the hub gave does not verify against the fleet's trust root. Nothing was done with it." },
} as const satisfies Record<string, { status: number; exit: number; means: string }>;

export type FaultCode = keyof typeof FAULTS;
