import { isFault } from "../../../../shared/core/fault.ts";
import { SYSTEM_ENV } from "../../providers/run.ts";
import { done, type Executor, failed, type Outcome, type OpWork } from "../executor.ts";

const TIMEOUT_MS = 60_000;

export const hostReboot: Executor<"host.reboot"> = ({ delay_s }, work) => switchPower(work, "-r", delay_s);
export const hostShutdown: Executor<"host.shutdown"> = ({ delay_s }, work) => switchPower(work, "-h", delay_s);

/**
 * Answers first: `done` is durable before anything happens, because afterwards nobody is there to say so. What it means is that the
 * host was told to; that it came back is seen by its next sync.
 */
function switchPower({ world }: OpWork, how: "-r" | "-h", delayS: number): Promise<Outcome> {
  if (world.self.uid !== 0) return Promise.resolve(failed("denied", "the agent is not root"));
  const never = new AbortController().signal;
  return Promise.resolve({
    ...done({ in_s: delayS }),
    afterwards: async () => {
      await world.clock.sleep(delayS * 1_000, never);
      try {
        const ran = await world.exec.run("op.power", {
          argv: ["shutdown", how, "now"],
          env: SYSTEM_ENV,
          cwd: "/",
          timeoutMs: TIMEOUT_MS,
          outputBytesMax: 4_096,
        });
        if (ran.code !== 0) world.log.event("error", "op.failed", { kind: "host.power", code: ran.code });
      } catch (error) {
        if (!isFault(error)) throw error;
        world.log.event("error", "op.failed", { kind: "host.power" }, error);
      }
    },
  });
}
