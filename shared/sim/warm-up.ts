import { simulate } from "./simulate.ts";

/**
 * Loading a module or compiling WebAssembly takes turns of the real event loop, once per process: a first run would differ from
 * all later ones. So everything is loaded before any run that counts, by a small run that doesn't.
 */
export async function warmUp(): Promise<void> {
  await simulate({ seed: "warm-up", boxes: 2, hours: 0.5, faults: false });
}
