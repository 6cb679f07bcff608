/** An error as node:fs throws it, so that simulated and real failures take the same way through `fileFault`. */
export function posixError(code: string): Error & { readonly code: string } {
  return Object.assign(new Error(`${code}: simulated`), { code });
}
