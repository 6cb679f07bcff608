/** What one part says of itself. `unknown` is what a part says before it has looked: it is never taken for healthy. */
export type Health =
  | { readonly is: "healthy" }
  | { readonly is: "degraded"; readonly because: string }
  | { readonly is: "failed"; readonly because: string }
  | { readonly is: "unknown"; readonly because: string };

export interface Check {
  readonly name: string;
  readonly health: Health;
}

/** Ready means it can do its job: degraded parts still do, failed and unknown ones do not. */
export function isReady(checks: readonly Check[]): boolean {
  return checks.every(({ health }) => health.is === "healthy" || health.is === "degraded");
}
