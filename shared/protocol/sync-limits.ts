/** Apart from the schemas: the resident agent needs the numbers and cannot afford the schema library. */
export const SYNC_REQUEST_BYTES_MAX = 384 * 1024;
export const SYNC_REPLY_BYTES_MAX = 12 * 1024 * 1024;
export const OUTBOX_BATCH_BYTES_MAX = 256 * 1024;
export const SYNC_WAIT_MS_MAX = 55_000;
