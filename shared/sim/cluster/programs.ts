/** The programs that are installed on a simulated box: the worker and the render child, as the functions behind their roles. */
import { runRender } from "../../../agent/render.ts";
import { runWorker } from "../../../agent/worker.ts";
import type { Programs } from "../sim-exec.ts";

export const felhomPrograms: Programs = (argv) => {
  const role = argv[1];
  if (argv[0] !== "/usr/bin/felhom") return undefined;
  if (role === "agent-worker") return async ({ stdin, world }) => ({ code: 0, stdout: await runWorker(stdin, world, new AbortController().signal) });
  if (role === "render") return async ({ stdin }) => ({ code: 0, stdout: await runRender(stdin) });
  return undefined;
};
