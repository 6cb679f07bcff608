/**
 * The program that ops run on a simulated box: it counts. Behind the gate that the agent puts before every program of an op, as on a
 * real box; the effect is recorded outside of the machine, so that no crash can take it back.
 */
import type { Programs } from "../sim-exec.ts";

export const COUNT = "/usr/bin/count";
const GATE_WORDS = 4;

/** `count LABEL MS`: the effect at once, and then it takes so long. */
export function withCounting(real: Programs, began: (label: string) => void): Programs {
  return (argv) => {
    const words = argv[0] === "/bin/sh" && argv[3] === "felhom-op" ? argv.slice(GATE_WORDS) : argv;
    if (words[0] !== COUNT) return real(argv);
    const [, label = "", ms = "0"] = words;
    return async ({ stdin, world, stop }) => {
      // The gate: a starter that died before it wrote its line has started nothing.
      if (words !== argv && stdin.byteLength === 0) return { code: 125 };
      began(label);
      if (Number(ms) > 0) await world.clock.sleep(Number(ms), stop);
      return { code: 0, stdout: new TextEncoder().encode(`counted ${label}\n`) };
    };
  };
}
