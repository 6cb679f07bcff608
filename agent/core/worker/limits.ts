/** Bounds of what passes between the resident and a worker. */
export const WORKER_REQUEST_BYTES_MAX = 16 * 1024 * 1024;
export const WORKER_RESULT_BYTES_MAX = 16 * 1024 * 1024;
