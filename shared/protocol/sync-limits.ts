/** Apart from the schemas: the resident agent needs the numbers and cannot afford the schema library. */
export const SYNC_REQUEST_BYTES_MAX = 384 * 1024;
export const SYNC_REPLY_BYTES_MAX = 12 * 1024 * 1024;
export const OUTBOX_BATCH_BYTES_MAX = 256 * 1024;
/** Of one `op-log` row. */
export const LOG_ENTRIES_MAX = 256;
export const LOG_ENTRY_CHARS_MAX = 4_096;
export const OUTBOX_ROWS_MAX = 1_000;
export const SYNC_WAIT_MS_MAX = 55_000;
