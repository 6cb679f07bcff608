/** Every path that fails sleeps: no machine asks the network more often than a patient one would. */
import type { Checker } from "./checker.ts";

const WINDOW_MS = 600_000;

export function nobodySpins(requestsOf: (machine: string) => number, perWindowMax: number): Checker {
  const before = new Map<string, { atMs: number; requests: number }>();
  return {
    name: "nobody-spins",
    sometimes: ({ boxes, nowMs }, report) => {
      for (const { machine } of boxes) {
        const requests = requestsOf(machine.name);
        const last = before.get(machine.name) ?? { atMs: nowMs, requests };
        before.set(machine.name, last);
        if (nowMs - last.atMs < WINDOW_MS) continue;
        const count = requests - last.requests;
        const allowed = perWindowMax * ((nowMs - last.atMs) / WINDOW_MS);
        if (count > allowed) report(`${machine.name} made ${count} requests in ${Math.round((nowMs - last.atMs) / 60_000)} minutes`);
        before.set(machine.name, { atMs: nowMs, requests });
      }
    },
  };
}
