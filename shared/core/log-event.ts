/** Every event a log line can name. Closed, so that names stay few and searchable; keep each group sorted. */
export type LogEvent =
  // process
  | "process.failed"
  | "process.started"
  | "process.stopped"
  | "process.stopping"
  | "service.died"
  | "service.restarted"
  | "service.started"
  | "service.stopped"
  // http
  | "http.failed"
  | "http.refused";
