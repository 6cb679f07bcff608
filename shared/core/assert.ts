/** A broken invariant is a defect: stop here rather than go on with a wrong idea of the world. Not for input, which gets a `Fault`. */
export function assert(condition: unknown, invariant: string): asserts condition {
  if (!condition) throw new Error(`Broken invariant: ${invariant}`);
}

/** The default of a switch over a closed union: a new variant fails to compile until it is handled. */
export function unreachable(value: never): never {
  throw new Error(`Broken invariant: unreachable variant ${JSON.stringify(value)}`);
}
